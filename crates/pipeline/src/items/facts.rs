//! What filters and scorers read of a product, in one cache line.

use super::category::CategoryIx;
use vitrina_types::money::Amount;
use vitrina_types::product::Product;
use vitrina_types::time::EventTime;

/// Number of a brand in one table; never on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BrandIx(pub u32);

impl BrandIx {
    /// No brand.
    pub const NONE: Self = Self(u32::MAX);

    /// Whether there is a brand.
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }
}

/// The hot columns of a product. Aligned, so that an answer pays one cache miss per candidate.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Facts {
    /// Interest on the scale that does not move with time; negative infinity for none.
    pub(crate) interest_key: f64,
    pub(crate) created_at: EventTime,
    pub(crate) expires_at: EventTime,
    /// Newest event; negative infinity of time for none.
    pub(crate) last_seen: EventTime,
    price: i64,
    pub(crate) category: CategoryIx,
    pub(crate) top_category: CategoryIx,
    pub(crate) brand: BrandIx,
    stock: u32,
    flags: u8,
}

/// May be shown as far as the catalogue goes: it has a card, or needs none.
const KNOWN: u8 = 1;
const HAS_CARD: u8 = 2;
const AVAILABLE: u8 = 4;
const DELETED: u8 = 8;
const BANNED_PRODUCT: u8 = 16;
const BANNED_SKU: u8 = 32;
const BANNED_TEXT: u8 = 64;
const BANNED: u8 = BANNED_PRODUCT | BANNED_SKU | BANNED_TEXT;
const PRICE_NONE: i64 = i64::MIN;
const STOCK_NONE: u32 = u32::MAX;
const NEVER: EventTime = EventTime(i64::MAX);

/// What a product is banned by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BannedBy {
    /// Its id.
    Product,
    /// Its SKU.
    Sku,
    /// Its brand, or a pattern in its texts.
    Text,
}

impl Facts {
    /// A product that was only named by others.
    pub(crate) const UNHEARD: Self = Self {
        interest_key: f64::NEG_INFINITY,
        created_at: EventTime(i64::MIN),
        expires_at: NEVER,
        last_seen: EventTime(i64::MIN),
        price: PRICE_NONE,
        category: CategoryIx::NONE,
        top_category: CategoryIx::NONE,
        brand: BrandIx::NONE,
        stock: STOCK_NONE,
        flags: 0,
    };

    /// Whether it may be shown as far as the catalogue goes: not deleted, not merely named.
    pub fn is_known(&self) -> bool {
        self.flags & KNOWN != 0
    }

    /// Whether the catalogue has it.
    pub fn has_card(&self) -> bool {
        self.flags & HAS_CARD != 0
    }

    /// Whether the catalogue had it and deleted it.
    pub fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    /// Whether a ban on the product, its SKU, its brand or its texts is in force.
    pub fn is_banned(&self) -> bool {
        self.flags & BANNED != 0
    }

    /// Whether the shop says that it may be shown.
    pub fn is_available(&self) -> bool {
        self.flags & AVAILABLE != 0
    }

    /// Whether it is available and in stock as far as known.
    pub fn is_in_stock(&self) -> bool {
        self.is_available() && self.stock != 0
    }

    /// [`Product::is_offered`]: available, in stock as far as known, not expired.
    pub fn is_offered(&self, now: EventTime) -> bool {
        self.is_in_stock() && now < self.expires_at
    }

    /// Whether it belongs in rankings: nothing but time can keep it from being shown.
    pub fn is_rankable(&self) -> bool {
        self.is_known() && !self.is_banned() && self.is_in_stock()
    }

    /// Price of one piece.
    pub fn price(&self) -> Option<i64> {
        (self.price != PRICE_NONE).then_some(self.price)
    }

    /// Pieces in stock, when the shop says.
    pub fn stock(&self) -> Option<u32> {
        (self.stock != STOCK_NONE).then_some(self.stock)
    }

    /// Not shown from this moment on.
    pub fn expires_at(&self) -> Option<EventTime> {
        (self.expires_at != NEVER).then_some(self.expires_at)
    }

    /// The narrowest category, [`CategoryIx::NONE`] without one.
    pub fn category(&self) -> CategoryIx {
        self.category
    }

    /// The brand, [`BrandIx::NONE`] without one.
    pub fn brand(&self) -> BrandIx {
        self.brand
    }

    /// When the catalogue first had it; `None` without a card.
    pub fn created_at(&self) -> Option<EventTime> {
        self.has_card().then_some(self.created_at)
    }

    /// Whether bans of one sort hold it; those of the others stay as they are.
    pub(crate) fn set_ban(&mut self, by: BannedBy, banned: bool) {
        let flag = match by {
            BannedBy::Product => BANNED_PRODUCT,
            BannedBy::Sku => BANNED_SKU,
            BannedBy::Text => BANNED_TEXT,
        };
        self.flags = (self.flags & !flag) | if banned { flag } else { 0 };
    }

    /// Takes over a card; category and brand are the table's to number.
    pub(crate) fn set_card(&mut self, card: &Product, category: [CategoryIx; 2], brand: BrandIx) {
        [self.category, self.top_category] = category;
        self.brand = brand;
        self.created_at = card.created_at;
        self.expires_at = card.expires_at.unwrap_or(NEVER);
        self.price = card.price.map_or(PRICE_NONE, Amount::ten_thousandths);
        self.stock = card.stock.unwrap_or(STOCK_NONE);
        let kept = self.flags & BANNED;
        let available = if card.available { AVAILABLE } else { 0 };
        self.flags = kept | KNOWN | HAS_CARD | available;
    }

    /// Has no card (any more): bans stay, all else is as of a product never heard of.
    pub(crate) fn clear_card(&mut self, known: bool, deleted: bool) {
        let mut flags = self.flags & BANNED;
        if known {
            flags |= KNOWN | AVAILABLE;
        }
        if deleted {
            flags |= DELETED;
        }
        *self = Self {
            interest_key: self.interest_key,
            last_seen: self.last_seen,
            flags,
            ..Self::UNHEARD
        };
    }
}
