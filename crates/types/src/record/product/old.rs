//! Version 1: an interaction knew neither its pieces nor its visitor. The other variants have not
//! changed since.

use super::{ProductEnvelope, ProductRecord};
use crate::event::KindTag;
use crate::id::ProductId;
use crate::money::{Amount, Currency};
use crate::stored::{Stored, StoredError};
use crate::time::{EventTime, IngestTime};
use serde::Deserialize;

#[derive(Deserialize)]
struct Interaction {
    product: ProductId,
    kind: KindTag,
    interest: f32,
    at: EventTime,
    revenue: Option<(Currency, Amount)>,
}

/// What comes before the variant: ingest time, backfill.
type Head = (IngestTime, bool);

/// Number of the variant `Interaction`, in one byte as postcard writes it.
const INTERACTION: u8 = 0;

pub(super) fn decode(version: u8, body: &[u8]) -> Result<ProductEnvelope, StoredError> {
    let name = ProductEnvelope::NAME;
    if version != 1 {
        return Err(StoredError::UnknownVersion { name, version });
    }
    let damaged = |_| StoredError::Damaged { name };
    let (head, rest): (Head, _) = postcard::take_from_bytes(body).map_err(damaged)?;
    let Some((&INTERACTION, rest)) = rest.split_first() else {
        return match postcard::take_from_bytes(body) {
            Ok((envelope, [])) => Ok(envelope),
            _ => Err(StoredError::Damaged { name }),
        };
    };
    let (old, rest): (Interaction, _) = postcard::take_from_bytes(rest).map_err(damaged)?;
    if !rest.is_empty() {
        return Err(StoredError::Damaged { name });
    }
    Ok(ProductEnvelope {
        ingest_time: head.0,
        backfill: head.1,
        record: ProductRecord::Interaction {
            product: old.product,
            kind: old.kind,
            interest: old.interest,
            at: old.at,
            value: old.revenue,
            pieces: 1,
            visitor: None,
        },
    })
}
