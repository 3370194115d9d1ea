//! Products as shops offer them: held against the bans before they come into the catalogue.

use super::body::{self, Held};
use super::dead_letters::read_page;
use super::extract::Params;
use super::problem::Problem;
use super::product_batch::read_one;
use super::reply::{self, Reply};
use super::schema::problems::{IntakeProblems, ReadProblems};
use super::schema::product_input::ProductsBody;
use super::schema::receipt::RejectedItem;
use super::schema::shop::{FilteredBody, FilteredPage, OfferReceipt};
use super::split::{Form, Split, split};
use super::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use vitrina_types::limits::EVENTS_PER_REQUEST_MAX;

/// Offers products
///
/// One object, an array or NDJSON: up to 10,000 products and 8 MiB, gzip and zstd bodies too. `202`
/// comes after the good ones are durable in the log. What no ban holds back comes into the
/// catalogue soon after; `GET /v1/filtered-events` lists the others. When nothing is good the
/// answer is `400` with `rejected`.
#[utoipa::path(
    post,
    path = "/v1/shop-products",
    operation_id = "offer_products",
    tag = "products",
    request_body(
        description = "An array of products, one, or one a line",
        content((ProductsBody = "application/json"), (String = "application/x-ndjson"))
    ),
    responses((status = 202, description = "The accepted products are durable", body = OfferReceipt), IntakeProblems)
)]
pub async fn offer(
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
        Split::One(item) => vec![item],
    };
    let now = app.engine.now().as_event_time();
    let (mut products, mut rejected) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match read_one(item, now) {
            Ok(product) => products.push(product),
            Err(rejection) => rejected.push(RejectedItem::new(index, rejection)),
        }
    }
    if products.is_empty() {
        let detail = format!("none of the {} products is good", rejected.len());
        let mut problem = Problem::bad_request("all_products_rejected", detail);
        problem.rejected = rejected;
        return Err(problem);
    }
    let accepted = products.len();
    app.engine.offer_products(products).await?;
    drop(share);
    reply::json(StatusCode::ACCEPTED, &OfferReceipt { accepted, rejected })
}

/// Offered products that a ban holds back, newest first
#[utoipa::path(
    get,
    path = "/v1/filtered-events",
    operation_id = "list_filtered_events",
    tag = "products",
    params(
        ("limit" = Option<u32>, Query, description = "Products of a page", nullable = false, minimum = 1, maximum = 1000),
        ("before" = Option<u64>, Query, description = "Only those with a smaller number", nullable = false, minimum = 0, maximum = 9007199254740991u64),
    ),
    responses((status = 200, description = "A page", body = FilteredPage), ReadProblems)
)]
pub async fn filtered(State(app): State<App>, params: Params) -> Reply {
    let (limit, before) = read_page(params)?;
    let found = app.engine.filtered_events(before, limit).await?;
    let last = found.last().map(|filtered| filtered.0);
    let is_full = found.len() == limit;
    reply::ok(&FilteredPage {
        filtered_events: found.into_iter().map(FilteredBody::from).collect(),
        next_before: last.filter(|&number| is_full && number > 0),
    })
}
