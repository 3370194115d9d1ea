//! Fields of a CSV record by the names in the header.

use vitrina_types::event::Rejection;
use vitrina_types::money::Amount;

/// The header: names in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header(Vec<String>);

impl Header {
    /// Reads the first record of a file. Names are compared in lower case; a byte order mark is
    /// left out.
    pub fn read(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut record = csv::ByteRecord::new();
        split(bytes, &mut record);
        let name = |field: &[u8]| String::from_utf8_lossy(field).trim().to_lowercase();
        Self(record.iter().map(name).collect())
    }

    /// The place of the column called `name`.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| column == name)
    }

    /// Whether all of `names` are there.
    pub fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.find(name).is_some())
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, for messages.
    pub fn names(&self) -> String {
        self.0.join(", ")
    }
}

/// Splits a record into its fields.
pub fn split(bytes: &[u8], out: &mut csv::ByteRecord) {
    out.clear();
    if !bytes.contains(&b'"') {
        for field in bytes.split(|&byte| byte == b',') {
            out.push_field(field);
        }
        return;
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(bytes.len().max(1))
        .from_reader(bytes);
    // Reading from memory cannot fail, and a flexible reader takes any number of fields.
    let _ = reader.read_byte_record(out);
}

/// The fields of one record. Empty fields are absent.
pub struct Fields<'a> {
    record: &'a csv::ByteRecord,
}

impl<'a> Fields<'a> {
    /// The fields of a record that has as many as the header.
    ///
    /// # Errors
    /// A [`Rejection`] when it has more or fewer.
    pub fn of(record: &'a csv::ByteRecord, header: &Header) -> Result<Self, Rejection> {
        if record.len() == header.len() {
            return Ok(Self { record });
        }
        let detail = format!(
            "the row has {} fields, the header has {}",
            record.len(),
            header.len()
        );
        Err(Rejection::new("wrong_field_count", "", detail))
    }

    /// The text at `column`.
    ///
    /// # Errors
    /// A [`Rejection`] when it is not UTF-8.
    pub fn text(
        &self,
        column: Option<usize>,
        field: &'static str,
    ) -> Result<Option<&'a str>, Rejection> {
        let Some(bytes) = column.and_then(|column| self.record.get(column)) else {
            return Ok(None);
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Err(_) => Err(Rejection::new(
                "invalid_utf8",
                field,
                format!("{field} is not UTF-8"),
            )),
        }
    }

    /// The text at `column`, owned.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub fn owned(
        &self,
        column: Option<usize>,
        field: &'static str,
    ) -> Result<Option<String>, Rejection> {
        Ok(self.text(column, field)?.map(str::to_owned))
    }

    /// The amount of money at `column`.
    ///
    /// # Errors
    /// A [`Rejection`] when it is no decimal number within the bounds of [`Amount`].
    pub fn amount(
        &self,
        column: Option<usize>,
        field: &'static str,
    ) -> Result<Option<Amount>, Rejection> {
        let Some(text) = self.text(column, field)? else {
            return Ok(None);
        };
        let amount = text.parse::<f64>().ok().map(Amount::from_units);
        match amount {
            Some(Ok(amount)) => Ok(Some(amount)),
            _ => Err(invalid(field, "a decimal number")),
        }
    }
}

/// A field that does not hold what it must.
pub fn invalid(field: &'static str, shape: &str) -> Rejection {
    Rejection::new("invalid_type", field, format!("{field} must be {shape}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, &[&str])] = &[
            ("plain",          "a,b,c",            &["a", "b", "c"]),
            ("empty fields",   ",,",               &["", "", ""]),
            ("quoted comma",   "1,\"a, b\",2",     &["1", "a, b", "2"]),
            ("doubled quotes", "\"a\"\"b\"",       &["a\"b"]),
            ("quoted break",   "\"a\nb\",c",       &["a\nb", "c"]),
            ("never closed",   "\"a,b",            &["a,b"]),
            ("quote inside",   "12\" pan,x",       &["12\" pan", "x"]),
        ];
        for (name, line, want) in cases {
            let mut record = csv::ByteRecord::new();
            split(line.as_bytes(), &mut record);
            let got: Vec<_> = record
                .iter()
                .map(|f| std::str::from_utf8(f).unwrap())
                .collect();
            assert_eq!(got, *want, "{name}");
        }
    }

    #[test]
    fn header_without_its_byte_order_mark() {
        let header = Header::read("\u{feff}Product_ID, price".as_bytes());
        assert_eq!(header.find("product_id"), Some(0));
        assert!(header.has(&["price"]) && !header.has(&["title"]));
    }
}
