//! The formats we read, and telling them apart.

use super::columns::Header;

macro_rules! formats {
    ($(#[$doc:meta])* $Name:ident { $($(#[$variant_doc:meta])* $Variant:ident = $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
        pub enum $Name {
            $($(#[$variant_doc])* #[value(name = $text)] $Variant,)+
        }

        impl $Name {
            /// The name on the command line and in the names of imports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $text,)+
                }
            }

            /// The names of all formats, for messages.
            pub fn names() -> String {
                [$($text),+].join(", ")
            }
        }
    };
}

formats! {
    /// A format of event files.
    EventFormat {
        /// CSV of the REES46 data sets: times in UTC, prices in USD.
        Rees46 = "rees46";
        /// CSV made from UCI Online Retail: times by the UK clock, prices in GBP.
        OnlineRetail = "online-retail";
        /// One event of the API per line.
        Jsonl = "jsonl";
    }
}

formats! {
    /// A format of product files.
    ProductFormat {
        /// CSV of the REES46 data sets: `category_code` with levels joined by dots, USD.
        Rees46 = "rees46";
        /// CSV made from UCI Online Retail: titles, median prices in GBP, service codes marked.
        OnlineRetail = "online-retail";
        /// One product of the API per line.
        Jsonl = "jsonl";
    }
}

/// Columns an event file in REES46's format must have.
pub const REES46_EVENTS: &[&str] = &["event_time", "event_type", "product_id", "user_id"];
/// Columns an event file in Online Retail's format must have.
pub const ONLINE_RETAIL_EVENTS: &[&str] = &[
    "event_time",
    "event_type",
    "product_id",
    "quantity",
    "user_id",
    "order_id",
];
/// Columns a product file in REES46's format must have.
pub const REES46_PRODUCTS: &[&str] = &["product_id", "category_code"];
/// Columns a product file in Online Retail's format must have.
pub const ONLINE_RETAIL_PRODUCTS: &[&str] = &["product_id", "title"];

impl EventFormat {
    /// Tells the format from the beginning of the uncompressed content.
    pub fn detect(head: &[u8]) -> Option<Self> {
        if is_json(head) {
            return Some(Self::Jsonl);
        }
        let header = Header::read(first_line(head));
        if header.has(ONLINE_RETAIL_EVENTS) {
            Some(Self::OnlineRetail)
        } else if header.has(REES46_EVENTS) {
            Some(Self::Rees46)
        } else {
            None
        }
    }
}

impl ProductFormat {
    /// Tells the format from the beginning of the uncompressed content.
    pub fn detect(head: &[u8]) -> Option<Self> {
        if is_json(head) {
            return Some(Self::Jsonl);
        }
        let header = Header::read(first_line(head));
        if header.has(REES46_PRODUCTS) {
            Some(Self::Rees46)
        } else if header.has(ONLINE_RETAIL_PRODUCTS) {
            Some(Self::OnlineRetail)
        } else {
            None
        }
    }
}

fn is_json(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.trim_ascii_start().first() == Some(&b'{')
}

fn first_line(head: &[u8]) -> &[u8] {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_format_cases() {
        use EventFormat::{Jsonl, OnlineRetail, Rees46};
        let rees46 = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\r\n";
        let retail = "event_time,event_type,product_id,quantity,price,user_id,order_id,country\n";
        #[rustfmt::skip]
        let cases: &[(&str, &str, Option<EventFormat>)] = &[
            ("rees46",         rees46,                    Some(Rees46)),
            ("online retail",  retail,                    Some(OnlineRetail)),
            ("json",           "\n {\"event_type\":",     Some(Jsonl)),
            ("a json array",   "[{}]",                    None),
            ("other csv",      "userId,movieId,rating\n", None),
            ("nothing",        "",                        None),
        ];
        for (name, head, want) in cases {
            assert_eq!(EventFormat::detect(head.as_bytes()), *want, "{name}");
        }
    }

    #[test]
    fn product_format_cases() {
        use ProductFormat::{Jsonl, OnlineRetail, Rees46};
        #[rustfmt::skip]
        let cases: &[(&str, &str, Option<ProductFormat>)] = &[
            ("rees46",        "product_id,category_id,category_code,brand,price\n", Some(Rees46)),
            ("online retail", "product_id,title,price,is_service\n",                Some(OnlineRetail)),
            ("json",          "{}",                                                 Some(Jsonl)),
            ("movies",        "movieId,title,genres\n",                             None),
        ];
        for (name, head, want) in cases {
            assert_eq!(ProductFormat::detect(head.as_bytes()), *want, "{name}");
        }
    }
}
