//! Events: what a visitor did.
//!
//! An event is normalised once, at intake ([`parse`]), and never changes after. Each kind is one
//! file and speaks through [`EventKind`], so that nothing else in the house matches on kinds.

mod add_to_cart;
mod click;
mod counters;
pub mod draft;
pub mod foreign;
mod impression;
mod parse;
mod purchase;
mod rating;
mod remove_from_cart;
mod returned;
mod search;
mod view;
mod wishlist;

pub use counters::Counters;
pub use draft::{EventDraft, Rejection};
pub use parse::{Intake, build, parse};

use crate::id::{AnonymousId, EventId, PlacementId, ProductId, SessionId, SlateId, UserId};
use crate::money::{Amount, Currency};
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// What an event says of the visitor's interest in its products.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Signal {
    /// Nothing.
    None,
    /// Interest, unitless, at least 0; a view is 1.
    Positive(f32),
    /// The opposite, unitless, at least 0.
    Negative(f32),
}

impl Signal {
    /// The strength of interest; 0 where there is none or the opposite.
    pub fn interest(self) -> f32 {
        match self {
            Self::Positive(strength) => strength,
            Self::None | Self::Negative(_) => 0.0,
        }
    }
}

/// One product of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The product.
    pub product: ProductId,
    /// Pieces, at least 1.
    pub quantity: u32,
    /// Price of one piece, when the shop said it.
    pub price: Option<Amount>,
}

/// What every kind of event answers.
pub trait EventKind: Sized {
    /// Takes what the kind needs out of a draft.
    ///
    /// # Errors
    /// A [`Rejection`] that names the field at fault.
    fn read(draft: &mut EventDraft) -> Result<Self, Rejection>;

    /// What it says of the visitor's interest.
    fn signal(&self) -> Signal;

    /// The products it is about.
    fn lines(&self) -> &[Line];

    /// Whether its lines were paid for: they count as revenue and as bought together.
    fn is_purchase(&self) -> bool {
        false
    }

    /// Whether its lines came back: they count against revenue.
    fn is_return(&self) -> bool {
        false
    }
}

macro_rules! event_kinds {
    ($($module:ident::$Kind:ident = $tag:literal, $name:literal;)+) => {
        $(pub use $module::$Kind;)+

        /// What happened. The order of variants is part of the stored form: only ever append.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $Kind($Kind),)+
        }

        impl Kind {
            /// How many kinds there are.
            pub const COUNT: usize = [$($name),+].len();
            /// The names of all kinds, in order of their tags.
            pub const NAMES: [&'static str; Self::COUNT] = [$($name),+];

            /// Reads the kind called `name` out of a draft; `None` when there is no such kind.
            pub fn read(name: &str, draft: &mut EventDraft) -> Option<Result<Self, Rejection>> {
                match name {
                    $($name => Some($Kind::read(draft).map(Self::$Kind)),)+
                    _ => None,
                }
            }

            /// The number of this kind, `0..Kind::COUNT`: its place in [`Counters`].
            pub fn tag(&self) -> KindTag {
                KindTag(match self {
                    $(Self::$Kind(_) => $tag,)+
                })
            }

            /// What it says of the visitor's interest.
            pub fn signal(&self) -> Signal {
                match self {
                    $(Self::$Kind(kind) => kind.signal(),)+
                }
            }

            /// The products it is about.
            pub fn lines(&self) -> &[Line] {
                match self {
                    $(Self::$Kind(kind) => kind.lines(),)+
                }
            }

            /// Whether its lines were paid for.
            pub fn is_purchase(&self) -> bool {
                match self {
                    $(Self::$Kind(kind) => kind.is_purchase(),)+
                }
            }

            /// Whether its lines came back.
            pub fn is_return(&self) -> bool {
                match self {
                    $(Self::$Kind(kind) => kind.is_return(),)+
                }
            }
        }
    };
}

event_kinds! {
    view::View = 0, "view";
    click::Click = 1, "click";
    impression::Impression = 2, "impression";
    add_to_cart::AddToCart = 3, "add_to_cart";
    remove_from_cart::RemoveFromCart = 4, "remove_from_cart";
    purchase::Purchase = 5, "purchase";
    returned::Return = 6, "return";
    wishlist::Wishlist = 7, "wishlist";
    rating::Rating = 8, "rating";
    search::Search = 9, "search";
}

/// The number of an event kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KindTag(pub u8);

impl KindTag {
    /// The tag of the kind called `name`.
    pub fn of(name: &str) -> Option<Self> {
        let place = Kind::NAMES.iter().position(|n| *n == name)?;
        Some(Self(place as u8))
    }

    /// Whether its value is money that moved: something was bought or came back.
    pub fn moves_money(self) -> bool {
        matches!(self.name(), "purchase" | "return")
    }

    /// The name of the kind.
    pub fn name(self) -> &'static str {
        Kind::NAMES
            .get(usize::from(self.0))
            .copied()
            .unwrap_or("unknown")
    }
}

/// Who did it. At least one of the two is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The registered user.
    pub user_id: Option<UserId>,
    /// The visitor's cookie or device.
    pub anonymous_id: Option<AnonymousId>,
}

impl Subject {
    /// The key of the visitor's state and partition: `u/<user id>`, else `a/<anonymous id>`.
    pub fn key(&self) -> String {
        match (&self.user_id, &self.anonymous_id) {
            (Some(user), _) => user_key(user),
            (None, Some(anonymous)) => anonymous_key(anonymous),
            (None, None) => String::new(),
        }
    }

    /// The id that decides the partition.
    pub fn partition_id(&self) -> &str {
        match (&self.user_id, &self.anonymous_id) {
            (Some(user), _) => user.as_str(),
            (None, Some(anonymous)) => anonymous.as_str(),
            (None, None) => "",
        }
    }
}

/// The state key of a registered user.
pub fn user_key(user: &UserId) -> String {
    ["u/", user.as_str()].concat()
}

/// The state key of an anonymous visitor.
pub fn anonymous_key(anonymous: &AnonymousId) -> String {
    ["a/", anonymous.as_str()].concat()
}

/// Which answer an interaction came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The slate.
    pub slate_id: SlateId,
    /// Place in the slate, from 0.
    pub position: Option<u32>,
    /// Where the slate was shown.
    pub placement: Option<PlacementId>,
}

/// Circumstances of an event. Texts are cut to [`CONTEXT_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Context {
    /// Keyed hash of the network address; the address itself is never stored.
    pub address_hash: Option<u64>,
    /// User agent.
    pub user_agent: Option<Box<str>>,
    /// Kind of device.
    pub device: Option<Box<str>>,
    /// Region.
    pub region: Option<Box<str>>,
    /// Locale.
    pub locale: Option<Box<str>>,
    /// Referring page.
    pub referrer: Option<Box<str>>,
}

/// Bytes of one text of a [`Context`] that are kept.
pub const CONTEXT_BYTES_MAX: usize = 256;

/// What the visitor agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Consent {
    /// Without it the event counts, but builds no profile.
    pub personalisation: bool,
    /// Without it the event is left out of analytics.
    pub analytics: bool,
}

impl Default for Consent {
    fn default() -> Self {
        Self {
            personalisation: true,
            analytics: true,
        }
    }
}

/// One thing a visitor did, normalised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Idempotency key.
    pub event_id: EventId,
    /// Who.
    pub subject: Subject,
    /// The shop's own session, when it cuts them itself.
    pub session_id: Option<SessionId>,
    /// When.
    pub event_time: EventTime,
    /// What.
    pub kind: Kind,
    /// Currency of all prices in it.
    pub currency: Option<Currency>,
    /// The answer it came from.
    pub origin: Option<Origin>,
    /// Circumstances.
    pub context: Option<Box<Context>>,
    /// What the visitor agreed to.
    pub consent: Consent,
}
