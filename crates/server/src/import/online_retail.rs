//! Rows of the Online Retail event files.
//!
//! `event_time,event_type,product_id,quantity,price,user_id,order_id,country`: times by the clock
//! in the United Kingdom ([`UkClock`]), prices in pounds, returns with a negative quantity. An
//! order without a user is a guest's: the order is all we know of the visitor. Adjustments
//! (write-offs, bad debt) are entries of the books, not something a visitor did.

use super::columns::{Fields, Header, invalid};
use super::text_time::UkClock;
use vitrina_types::event::{EventDraft, Rejection};

/// Why an adjustment is left out.
pub const NOT_AN_EVENT: &str = "not_an_event";

/// Where the columns are.
#[derive(Debug, Clone)]
pub struct OnlineRetail {
    event_time: Option<usize>,
    event_type: Option<usize>,
    product_id: Option<usize>,
    quantity: Option<usize>,
    price: Option<usize>,
    user_id: Option<usize>,
    order_id: Option<usize>,
    clock: UkClock,
}

impl OnlineRetail {
    /// Finds the columns.
    pub fn new(header: &Header) -> Self {
        Self {
            event_time: header.find("event_time"),
            event_type: header.find("event_type"),
            product_id: header.find("product_id"),
            quantity: header.find("quantity"),
            price: header.find("price"),
            user_id: header.find("user_id"),
            order_id: header.find("order_id"),
            clock: UkClock::new(),
        }
    }

    /// Reads one row; `None` for an adjustment.
    ///
    /// # Errors
    /// A [`Rejection`] that names the column at fault.
    pub fn read(&mut self, row: &Fields<'_>) -> Result<Option<EventDraft>, Rejection> {
        let kind = row.text(self.event_type, "event_type")?;
        if kind == Some("adjustment") {
            return Ok(None);
        }
        let time = row.text(self.event_time, "event_time")?;
        let time = time.ok_or_else(|| Rejection::missing("event_time", "a row needs its time"))?;
        let time = self.clock.read(time);
        let time = time.ok_or_else(|| invalid("event_time", "a time like 2010-12-01T08:26:00"))?;
        let order = row.text(self.order_id, "order_id")?;
        let user_id = row.owned(self.user_id, "user_id")?;
        let guest = order.filter(|_| user_id.is_none());
        let price = row.amount(self.price, "price")?;
        Ok(Some(EventDraft {
            event_type: kind.map(str::to_owned),
            event_time: Some(time),
            product_id: row.owned(self.product_id, "product_id")?,
            quantity: self.pieces(row, kind == Some("return"))?,
            anonymous_id: guest.map(|order| format!("guest-{order}")),
            user_id,
            session_id: order.map(str::to_owned),
            currency: price.map(|_| "GBP".to_owned()),
            price,
            ..EventDraft::default()
        }))
    }

    /// The quantity; a return's is written negative and read as what came back.
    fn pieces(&self, row: &Fields<'_>, came_back: bool) -> Result<Option<u64>, Rejection> {
        let Some(text) = row.text(self.quantity, "quantity")? else {
            return Ok(None);
        };
        let text = if came_back {
            text.strip_prefix('-').unwrap_or(text)
        } else {
            text
        };
        let pieces = text.parse().map(Some);
        pieces.map_err(|_| invalid("quantity", "a whole number of at least 1"))
    }
}
