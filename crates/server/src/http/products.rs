//! Products of the catalogue: one at a time.

use super::answers::body_as_json;
use super::extract::{Params, PathId, if_match, none_match_any, refused_version};
use super::problem::Problem;
use super::reply::{self, Reply, with_version};
use super::schema::listing::Page;
use super::schema::problems::{FindProblems, ReadProblems, WriteProblems};
use super::schema::product::{ProductBody, ProductPage};
use super::schema::product_input::{self, ProductChange, ProductInput};
use super::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use vitrina_engine::{Kept, Written};
use vitrina_ports::catalogue::{Expect, Outcome};
use vitrina_types::id::ProductId;
use vitrina_types::product::Product;
use vitrina_types::time::EventTime;

/// A change that finds the record changed under it is worked out again this often.
const PATCH_ATTEMPTS: usize = 5;

fn now(app: &App) -> EventTime {
    app.engine.now().as_event_time()
}

/// Creates a product
///
/// Durable when it is answered, and known to the next answer. Refused with `409` when there is a
/// product with this id.
#[utoipa::path(
    post,
    path = "/v1/products",
    operation_id = "create_product",
    tag = "products",
    request_body(content = ProductInput, content_type = "application/json"),
    responses(
        (status = 201, description = "The product as it is kept", body = ProductBody, headers(("ETag" = String, description = "Its version"))),
        WriteProblems
    )
)]
pub async fn create(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    params.end()?;
    let value = body_as_json(&app, &headers, body).await?;
    let product = product_input::read(value, None, None, now(&app))?;
    match put(&app, product.clone(), Expect::Absent).await?.outcome {
        Outcome::Written { version, .. } => kept(StatusCode::CREATED, version, product),
        Outcome::Conflict { .. } => Err(Problem::new(
            StatusCode::CONFLICT,
            "already_exists",
            "there is a product with this id; PUT replaces it",
        )),
    }
}

async fn put(app: &App, product: Product, expect: Expect) -> Result<Written, Problem> {
    let written = app
        .engine
        .put_products(vec![(product, expect)], true)
        .await?;
    let first = written.into_iter().next();
    first.ok_or_else(|| Problem::internal("the catalogue answered nothing for a write"))
}

fn kept(status: StatusCode, version: u64, value: Product) -> Reply {
    let body = ProductBody::from(Kept { version, value });
    Ok(with_version(reply::json(status, &body)?, version))
}

/// Creates or replaces a product
///
/// With `If-Match` only when it has this version, with `If-None-Match: *` only when it is not
/// there, else `412`.
#[utoipa::path(
    put,
    path = "/v1/products/{product_id}",
    operation_id = "replace_product",
    tag = "products",
    params(
        ("product_id" = String, Path, description = "The product", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"),
    ),
    request_body(content = ProductChange, content_type = "application/json"),
    responses(
        (status = 200, description = "Replaced", body = ProductBody, headers(("ETag" = String, description = "Its version"))),
        (status = 201, description = "Created", body = ProductBody, headers(("ETag" = String, description = "Its version"))),
        WriteProblems
    )
)]
pub async fn replace(
    State(app): State<App>,
    path: PathId,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    params.end()?;
    let id = path.read("product_id", ProductId::new)?;
    let expect = match (if_match(&headers)?, none_match_any(&headers)?) {
        (Some(expect), false) => expect,
        (None, true) => Expect::Absent,
        (None, false) => Expect::Any,
        (Some(_), true) => {
            let detail = "If-Match and If-None-Match exclude each other";
            return Err(Problem::bad_request("invalid_header", detail));
        }
    };
    let value = body_as_json(&app, &headers, body).await?;
    let before = app.engine.product(&id).await?;
    let created_at = before.map(|before| before.value.created_at);
    let product = product_input::read(value, Some(&id), created_at, now(&app))?;
    match put(&app, product.clone(), expect).await?.outcome {
        Outcome::Written { version, created } => {
            let status = if created {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            };
            kept(status, version, product)
        }
        Outcome::Conflict { found } => Err(refused_version(found)),
    }
}

/// Changes a product
///
/// A JSON merge patch (RFC 7396): fields that are there replace, `null` removes.
#[utoipa::path(
    patch,
    path = "/v1/products/{product_id}",
    operation_id = "change_product",
    tag = "products",
    params(
        ("product_id" = String, Path, description = "The product", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"),
    ),
    request_body(content = ProductChange, content_type = "application/json"),
    responses(
        (status = 200, description = "Changed", body = ProductBody, headers(("ETag" = String, description = "Its version"))),
        WriteProblems
    )
)]
pub async fn change(
    State(app): State<App>,
    path: PathId,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    params.end()?;
    let id = path.read("product_id", ProductId::new)?;
    let asked = if_match(&headers)?;
    let patch = body_as_json(&app, &headers, body).await?;
    for _ in 0..PATCH_ATTEMPTS {
        let Some(before) = app.engine.product(&id).await? else {
            return Err(absent(asked));
        };
        if asked
            .is_some_and(|e| !matches!(e, Expect::Present) && e != Expect::Version(before.version))
        {
            return Err(refused_version(Some(before.version)));
        }
        let product = product_input::patched(&before.value, patch.clone(), now(&app))?;
        let written = put(&app, product.clone(), Expect::Version(before.version)).await?;
        if let Outcome::Written { version, .. } = written.outcome {
            return kept(StatusCode::OK, version, product);
        }
    }
    let detail = "the product keeps changing; try again";
    Err(Problem::new(StatusCode::CONFLICT, "conflict", detail).retry_after(1))
}

/// There is no such product: `412` to who asked for a version, else `404`.
fn absent(asked: Option<Expect>) -> Problem {
    match asked {
        Some(_) => refused_version(None),
        None => Problem::not_found("product"),
    }
}

/// A product
#[utoipa::path(
    get,
    path = "/v1/products/{product_id}",
    operation_id = "find_product",
    tag = "products",
    params(
        ("product_id" = String, Path, description = "The product", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"),
    ),
    responses(
        (status = 200, description = "The product", body = ProductBody, headers(("ETag" = String, description = "Its version"))),
        FindProblems
    )
)]
pub async fn find(State(app): State<App>, path: PathId, params: Params) -> Reply {
    params.end()?;
    let id = path.read("product_id", ProductId::new)?;
    match app.engine.product(&id).await? {
        Some(found) => kept(StatusCode::OK, found.version, found.value),
        None => Err(Problem::not_found("product")),
    }
}

/// Deletes a product
#[utoipa::path(
    delete,
    path = "/v1/products/{product_id}",
    operation_id = "delete_product",
    tag = "products",
    params(
        ("product_id" = String, Path, description = "The product", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"),
    ),
    responses((status = 204, description = "Deleted; the next answer does not show it"), WriteProblems)
)]
pub async fn delete(
    State(app): State<App>,
    path: PathId,
    params: Params,
    headers: HeaderMap,
) -> Reply {
    params.end()?;
    let id = path.read("product_id", ProductId::new)?;
    let asked = if_match(&headers)?;
    let expect = asked.unwrap_or(Expect::Present);
    match app.engine.delete_product(&id, expect).await?.outcome {
        Outcome::Written { .. } => Ok(reply::nothing()),
        Outcome::Conflict { found: Some(found) } => Err(refused_version(Some(found))),
        Outcome::Conflict { found: None } => Err(absent(asked)),
    }
}

/// Products, in order of their ids
#[utoipa::path(
    get,
    path = "/v1/products",
    operation_id = "list_products",
    tag = "products",
    params(Page),
    responses((status = 200, description = "A page", body = ProductPage), ReadProblems)
)]
pub async fn list(State(app): State<App>, params: Params) -> Reply {
    let page = Page::read(params)?;
    let found = app
        .engine
        .products(page.after.as_deref(), page.limit)
        .await?;
    let last = found.last().map(|kept| kept.value.product_id.to_string());
    reply::ok(&ProductPage {
        next_cursor: page.next(found.len(), last.as_deref()),
        products: found.into_iter().map(Into::into).collect(),
    })
}
