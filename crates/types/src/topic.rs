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
    /// Slates shown and what came of them, keyed by slate id: [`crate::record::SlateRecord`].
    SlateSignals = 7, "slate-signals";
    /// Contributions to window rows, keyed by row: [`crate::record::RowRecord`].
    RowSignals = 8, "row-signals";
    /// Window rows, newer panes replacing older ones, keyed by row: [`crate::row::WindowRow`].
    WindowRows = 9, "window-rows";
    /// What came after its window was closed: [`crate::row::LateEvent`].
    LateEvents = 10, "late-events";
    /// Products as shops send them, keyed by product id: [`crate::record::ShopRecord`].
    ShopProducts = 11, "shop-products";
    /// Products that no ban holds back, keyed by product id: [`crate::product::Product`].
    FilteredProducts = 12, "filtered-products";
    /// Products that a ban holds back, and which: [`crate::ban::Filtered`].
    FilteredEvents = 13, "filtered-events";
    /// Questions for recommendations: [`crate::answer::Request`].
    ClientRecommendations = 14, "client-recommendations";
}

impl Topic {
    /// Whether records are spread over partitions by key. The others have one partition.
    pub fn is_keyed(self) -> bool {
        matches!(
            self,
            Self::UserEvents
                | Self::ProductSignals
                | Self::SlateSignals
                | Self::RowSignals
                | Self::WindowRows
                | Self::ShopProducts
                | Self::FilteredProducts
        )
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
