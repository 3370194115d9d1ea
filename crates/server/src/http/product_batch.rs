//! Products of the catalogue: many at a time.

use super::body::{self, Held};
use super::extract::Params;
use super::problem::Problem;
use super::reply::{self, Reply};
use super::schema::problems::WriteProblems;
use super::schema::product::{BatchReceipt, WrittenProduct};
use super::schema::product_input::{self, ProductsBody};
use super::schema::receipt::RejectedItem;
use super::split::{Form, Split, split};
use super::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use bytes::Bytes;
use vitrina_ports::catalogue::{Expect, Outcome};
use vitrina_types::event::Rejection;
use vitrina_types::limits::EVENTS_PER_REQUEST_MAX;
use vitrina_types::product::Product;
use vitrina_types::time::EventTime;

/// Creates or replaces products
///
/// An array or NDJSON: up to 10,000 products and 8 MiB, gzip and zstd bodies too. Good ones are
/// written when others are bad; when nothing is good the answer is `400` with `rejected`.
#[utoipa::path(
    post,
    path = "/v1/products:batch",
    operation_id = "write_products",
    tag = "products",
    request_body(
        description = "An array of products, or one a line",
        content((ProductsBody = "application/json"), (String = "application/x-ndjson"))
    ),
    responses((status = 200, description = "What was written is durable", body = BatchReceipt), WriteProblems)
)]
pub async fn write(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    params.end()?;
    let form = Form::of(&headers)?;
    let Held { bytes, share } = body::read(&headers, body, &app.budget).await?;
    let items = match split(&bytes, form, EVENTS_PER_REQUEST_MAX)? {
        Split::Many(items) => items,
        Split::One(_) => {
            let detail = "a JSON array of products is expected";
            return Err(Problem::bad_request("not_an_array", detail));
        }
    };
    let (places, products, mut rejected) = read_all(&items, app.engine.now().as_event_time());
    if products.is_empty() {
        let detail = format!("none of the {} products is good", rejected.len());
        let mut problem = Problem::bad_request("all_products_rejected", detail);
        problem.rejected = rejected;
        return Err(problem);
    }
    let ids: Vec<String> = products
        .iter()
        .map(|p| p.0.product_id.to_string())
        .collect();
    let outcomes = app.engine.put_products(products, true).await?;
    drop(share);
    let visible = outcomes.iter().all(|written| written.visible);
    let mut written = Vec::with_capacity(outcomes.len());
    for ((index, product_id), done) in places.into_iter().zip(ids).zip(outcomes) {
        match done.outcome {
            Outcome::Written { version, created } => written.push(WrittenProduct {
                index,
                product_id,
                version,
                created,
            }),
            Outcome::Conflict { .. } => {
                let refusal = Rejection::new("conflict", "product_id", "the product changed");
                rejected.push(RejectedItem::new(index, refusal));
            }
        }
    }
    reply::ok(&BatchReceipt {
        written,
        rejected,
        visible,
    })
}

/// Places and products that are good, and the others.
type ReadAll = (Vec<usize>, Vec<(Product, Expect)>, Vec<RejectedItem>);

fn read_all(items: &[Bytes], now: EventTime) -> ReadAll {
    let (mut places, mut products, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match read_one(item, now) {
            Ok(product) => {
                places.push(index);
                products.push((product, Expect::Any));
            }
            Err(rejection) => rejected.push(RejectedItem::new(index, rejection)),
        }
    }
    (places, products, rejected)
}

/// Reads one product of a batch.
///
/// # Errors
/// A refusal that names the field at fault.
pub fn read_one(item: &[u8], now: EventTime) -> Result<Product, Rejection> {
    if std::str::from_utf8(item).is_err() {
        return Err(Rejection::new(
            "invalid_utf8",
            "",
            "the product is not UTF-8",
        ));
    }
    let value = serde_json::from_slice(item)
        .map_err(|error| Rejection::new("invalid_json", "", format!("not JSON: {error}")))?;
    product_input::read(value, None, None, now)
}
