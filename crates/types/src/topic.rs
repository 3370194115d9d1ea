//! Topics of the event log.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! topics {
    ($($(#[$doc:meta])* $Name:ident = $number:literal, $name:literal;)+) => {
        /// A named, partitioned, append-only stream of records.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Topic {
            $($(#[$doc])* $Name,)+
        }

        impl Topic {
            /// Every topic.
            pub const ALL: &'static [Self] = &[$(Self::$Name),+];

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$Name => $name,)+
                }
            }

            /// The number in stored forms. Never reused.
            pub fn number(self) -> u16 {
                match self {
                    $(Self::$Name => $number,)+
                }
            }

            /// The topic with this number.
            pub fn from_number(number: u16) -> Option<Self> {
                Self::ALL.iter().copied().find(|t| t.number() == number)
            }
        }
    };
}

topics! {
    /// What visitors did, keyed by user (or anonymous) id: [`crate::record::UserRecord`].
    UserEvents = 1, "user-events";
    /// What that means for products, keyed by product id: [`crate::record::ProductRecord`].
    ProductSignals = 2, "product-signals";
    /// What could not be processed: [`crate::record::DeadLetter`].
    DeadLetters = 3, "dead-letters";
    /// Answers as shown: [`crate::answer::Impression`].
    RecommendationsResults = 4, "recommendations-results";
    /// Products created in the catalogue.
    ProductNew = 5, "product_new";
    /// Products changed or deleted in the catalogue.
    ProductUpdate = 6, "product_update";
}

impl Topic {
    /// Whether records are spread over partitions by key. The others have one partition.
    pub fn is_keyed(self) -> bool {
        matches!(self, Self::UserEvents | Self::ProductSignals)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
