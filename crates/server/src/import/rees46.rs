//! Rows of the REES46 event files.
//!
//! `event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session`:
//! times are UTC, prices are US dollars; category and brand belong to the catalogue and are left.

use super::columns::{Fields, Header, invalid};
use super::text_time;
use vitrina_types::event::{EventDraft, Rejection};

/// Where the columns are.
#[derive(Debug, Clone)]
pub struct Rees46 {
    event_time: Option<usize>,
    event_type: Option<usize>,
    product_id: Option<usize>,
    price: Option<usize>,
    user_id: Option<usize>,
    user_session: Option<usize>,
}

impl Rees46 {
    /// Finds the columns.
    pub fn new(header: &Header) -> Self {
        Self {
            event_time: header.find("event_time"),
            event_type: header.find("event_type"),
            product_id: header.find("product_id"),
            price: header.find("price"),
            user_id: header.find("user_id"),
            user_session: header.find("user_session"),
        }
    }

    /// Reads one row.
    ///
    /// # Errors
    /// A [`Rejection`] that names the column at fault.
    pub fn read(&self, row: &Fields<'_>) -> Result<EventDraft, Rejection> {
        let kind = row.text(self.event_type, "event_type")?;
        let time = row.text(self.event_time, "event_time")?;
        let time = time.ok_or_else(|| Rejection::missing("event_time", "a row needs its time"))?;
        let time = text_time::utc(time)
            .ok_or_else(|| invalid("event_time", "a time like 2019-10-01 00:00:00 UTC"))?;
        let price = row.amount(self.price, "price")?;
        Ok(EventDraft {
            event_type: kind.map(|name| api_name(name).to_owned()),
            event_time: Some(time),
            product_id: row.owned(self.product_id, "product_id")?,
            user_id: row.owned(self.user_id, "user_id")?,
            session_id: row.owned(self.user_session, "user_session")?,
            currency: price.map(|_| "USD".to_owned()),
            price,
            ..EventDraft::default()
        })
    }
}

/// REES46's `cart` is our `add_to_cart`; all other names are ours too, or nobody's.
fn api_name(name: &str) -> &str {
    if name == "cart" { "add_to_cart" } else { name }
}
