//! What an answer leaves behind: the impression, and the slate as stored.

use crate::event::Rejection;
use crate::id::{AnonymousId, PlacementId, ProductId, RequestId, SlateId, UserId};
use crate::limits::{QUERY_PRODUCTS_MAX, SLATE_ITEMS_MAX, TEXT_BYTES_MAX};
use crate::score::Score;
use crate::stored::{Stored, StoredError};
use crate::time::{EventTime, IngestTime};
use serde::{Deserialize, Serialize};

/// One place of a slate as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownItem {
    /// The product.
    pub product: ProductId,
    /// Its final score.
    pub score: Score,
    /// The candidate source that proposed it.
    pub source: Box<str>,
}

/// A slate as shown to somebody: a record of `recommendations-results`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Impression {
    /// The slate.
    pub slate_id: SlateId,
    /// To whom; `None` for a visitor without an id.
    pub user_id: Option<UserId>,
    /// Where.
    pub placement: PlacementId,
    /// When.
    pub at: EventTime,
    /// The model generation that took part; 0 when none did.
    pub generation: u64,
    /// What, in order.
    pub items: Vec<ShownItem>,
    /// To which visitor without a registered id.
    pub anonymous_id: Option<AnonymousId>,
    /// The question it answers, where that came over `client-recommendations`.
    pub request_id: Option<RequestId>,
}

/// Version 1: before questions came over a topic.
#[derive(Deserialize)]
struct Impression1 {
    slate_id: SlateId,
    user_id: Option<UserId>,
    placement: PlacementId,
    at: EventTime,
    generation: u64,
    items: Vec<ShownItem>,
}

impl Stored for Impression {
    const NAME: &'static str = "impression";
    const VERSION: u8 = 2;

    fn decode_old(version: u8, body: &[u8]) -> Result<Self, StoredError> {
        let name = Self::NAME;
        if version != 1 {
            return Err(StoredError::UnknownVersion { name, version });
        }
        match postcard::take_from_bytes::<Impression1>(body) {
            Ok((old, [])) => Ok(Self {
                slate_id: old.slate_id,
                user_id: old.user_id,
                placement: old.placement,
                at: old.at,
                generation: old.generation,
                items: old.items,
                anonymous_id: None,
                request_id: None,
            }),
            _ => Err(StoredError::Damaged { name }),
        }
    }
}

/// A question for recommendations: a record of `client-recommendations`. Its answer comes on
/// `recommendations-results` with the same `request_id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Names the question, and its answer.
    pub request_id: RequestId,
    /// When it was taken in.
    pub ingest_time: IngestTime,
    /// For whom; neither for a visitor nobody knows.
    pub user_id: Option<UserId>,
    /// For which visitor without a registered id.
    pub anonymous_id: Option<AnonymousId>,
    /// What the visitor looked at in this session, newest last; at most
    /// [`QUERY_PRODUCTS_MAX`].
    pub session: Vec<ProductId>,
    /// Where it will be shown; `None` for the default placement.
    pub placement: Option<PlacementId>,
    /// The product in view.
    pub product_id: Option<ProductId>,
    /// Only products of this category: levels joined by dots, 1 to [`TEXT_BYTES_MAX`] bytes.
    pub category: Option<Box<str>>,
    /// Items wanted, 1 to [`SLATE_ITEMS_MAX`]; `None` for the placement's own.
    pub limit: Option<u32>,
}

impl Request {
    /// Checks what the types of the fields do not say.
    ///
    /// # Errors
    /// A [`Rejection`] that names the field at fault.
    pub fn check(&self) -> Result<(), Rejection> {
        let products = self.session.len();
        if products > QUERY_PRODUCTS_MAX {
            let detail = format!("session has {products} items, the limit is {QUERY_PRODUCTS_MAX}");
            return Err(Rejection::new("too_many_items", "session", detail));
        }
        let limit = self.limit.map(|limit| limit as usize);
        if limit.is_some_and(|limit| !(1..=SLATE_ITEMS_MAX).contains(&limit)) {
            let detail = format!("limit is a whole number between 1 and {SLATE_ITEMS_MAX}");
            return Err(Rejection::new("out_of_range", "limit", detail));
        }
        let category = self.category.as_ref().map(|category| category.len());
        if category.is_some_and(|bytes| !(1..=TEXT_BYTES_MAX).contains(&bytes)) {
            let detail = format!("category has 1 to {TEXT_BYTES_MAX} bytes");
            return Err(Rejection::new("out_of_range", "category", detail));
        }
        Ok(())
    }
}

impl Stored for Request {
    const NAME: &'static str = "recommendation request";
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_cases() {
        let bare = Request {
            request_id: RequestId::new("q").unwrap(),
            ingest_time: IngestTime(0),
            user_id: None,
            anonymous_id: None,
            session: Vec::new(),
            placement: None,
            product_id: None,
            category: None,
            limit: None,
        };
        let session = |count| vec![ProductId::new("p").unwrap(); count];
        let text = |bytes| Some("x".repeat(bytes).into());
        #[rustfmt::skip]
        let cases = [
            ("bare",           bare.clone(),                                                       None),
            ("most items",     Request { limit: Some(200), ..bare.clone() },                       None),
            ("no items",       Request { limit: Some(0), ..bare.clone() },                         Some("limit")),
            ("too many items", Request { limit: Some(201), ..bare.clone() },                       Some("limit")),
            ("most products",  Request { session: session(QUERY_PRODUCTS_MAX), ..bare.clone() },   None),
            ("too many",       Request { session: session(QUERY_PRODUCTS_MAX + 1), ..bare.clone() }, Some("session")),
            ("no category",    Request { category: text(0), ..bare.clone() },                      Some("category")),
            ("long category",  Request { category: text(TEXT_BYTES_MAX + 1), ..bare.clone() },     Some("category")),
        ];
        for (name, request, want) in cases {
            let field = request.check().err().map(|refusal| refusal.field);
            assert_eq!(field.as_deref(), want, "{name}");
        }
    }
}
