//! Bans: products that must not be shown.

use super::answers::body_as_json;
use super::extract::{Params, PathId};
use super::problem::Problem;
use super::reply::{self, Reply, with_version};
use super::schema::ban::{BanBody, BanInput, BanPage};
use super::schema::fields::Fields;
use super::schema::listing::Page;
use super::schema::problems::{BanProblems, ReadProblems};
use super::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use vitrina_engine::Kept;
use vitrina_ports::catalogue::Outcome;
use vitrina_types::ban::{BAN_TEXT_BYTES_MAX, Ban, BanTarget};
use vitrina_types::event::Rejection;
use vitrina_types::id::{ProductId, Sku};
use vitrina_types::limits::{ID_BYTES_MAX, TEXT_BYTES_MAX};
use vitrina_types::time::EventTime;

/// Sets a ban
///
/// It holds from the next answer on. A ban that is there already is replaced. Brands and patterns
/// are compared whatever the case; a `*` of a pattern stands for any text. At most 1,000 of them are
/// in force together.
#[utoipa::path(
    post,
    path = "/v1/bans",
    operation_id = "set_ban",
    tag = "bans",
    request_body(content = BanInput, content_type = "application/json"),
    responses(
        (status = 200, description = "Replaced", body = BanBody),
        (status = 201, description = "Set", body = BanBody),
        BanProblems
    )
)]
pub async fn set(State(app): State<App>, params: Params, headers: HeaderMap, body: Body) -> Reply {
    params.end()?;
    let value = body_as_json(&app, &headers, body).await?;
    let ban = read(Fields::of(value)?, app.engine.now().as_event_time())?;
    let Outcome::Written { version, created } = app.engine.set_ban(&ban).await?.outcome else {
        let detail = "the ban changed meanwhile";
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
    };
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = BanBody::from(Kept {
        version,
        value: ban,
    });
    Ok(with_version(reply::json(status, &body)?, version))
}

fn read(mut fields: Fields, now: EventTime) -> Result<Ban, Problem> {
    let ban = Ban {
        target: target(&mut fields)?,
        reason: fields.text("reason", TEXT_BYTES_MAX)?.unwrap_or_default(),
        author: fields.text("author", ID_BYTES_MAX)?.unwrap_or_default(),
        created_at: now,
    };
    fields.end()?;
    Ok(ban)
}

/// What is banned: exactly one of four.
fn target(fields: &mut Fields) -> Result<BanTarget, Problem> {
    let product = fields.id("product_id", ProductId::new)?;
    let sku = fields.id("sku", Sku::new)?;
    let mut targets = Vec::new();
    targets.extend(product.map(|id| ("product_id", BanTarget::Product(id))));
    targets.extend(sku.map(|sku| ("sku", BanTarget::Sku(sku))));
    for field in ["brand", "pattern"] {
        if let Some(text) = fields.string(field)? {
            let target = BanTarget::from_id(&format!("{field}:{text}"));
            targets.push((field, target.ok_or_else(|| no_text(field, field))?));
        }
    }
    let Some((field, target)) = targets.pop() else {
        let detail = "a ban needs a product_id, a sku, a brand or a pattern";
        return Err(Rejection::missing("product_id", detail).into());
    };
    if !targets.is_empty() {
        let detail = "a ban is of one product_id, sku, brand or pattern, not of several";
        return Err(Problem::bad_field("invalid_ban", field, detail));
    }
    Ok(target)
}

/// `422`: a text of this kind cannot be banned.
fn no_text(kind: &str, field: &'static str) -> Problem {
    let detail = format!(
        "a {kind} to ban has 1 to {BAN_TEXT_BYTES_MAX} bytes, no control characters, and more in \
         it than blanks and *"
    );
    Problem::unprocessable(Rejection::new("invalid_ban_text", field, detail))
}

/// Bans, in order of their ids
#[utoipa::path(
    get,
    path = "/v1/bans",
    operation_id = "list_bans",
    tag = "bans",
    params(Page),
    responses((status = 200, description = "A page", body = BanPage), ReadProblems)
)]
pub async fn list(State(app): State<App>, params: Params) -> Reply {
    let page = Page::read(params)?;
    let found = app.engine.bans(page.after.as_deref(), page.limit).await?;
    let last = found.last().map(|kept| kept.value.target.id());
    reply::ok(&BanPage {
        next_cursor: page.next(found.len(), last.as_deref()),
        bans: found.into_iter().map(Into::into).collect(),
    })
}

/// Lifts a ban
#[utoipa::path(
    delete,
    path = "/v1/bans/{ban_id}",
    operation_id = "lift_ban",
    tag = "bans",
    params(("ban_id" = String, Path, description = "product:<id>, sku:<sku>, brand:<brand> or pattern:<pattern>", pattern = "^(product|sku|brand|pattern):[^\\x00-\\x1f\\x7f-\\x9f]{1,128}$")),
    responses((status = 204, description = "Lifted; the next answer may show it"), BanProblems)
)]
pub async fn lift(State(app): State<App>, path: PathId, params: Params) -> Reply {
    params.end()?;
    let target = BanTarget::from_id(&path.0).ok_or_else(|| match path.0.split_once(':') {
        Some((kind @ ("brand" | "pattern"), _)) => no_text(kind, "ban_id"),
        _ => {
            let detail = "a ban id is product:<id>, sku:<sku>, brand:<brand> or pattern:<pattern>";
            Problem::bad_field("invalid_id", "ban_id", detail)
        }
    })?;
    app.engine.lift_ban(&target).await?;
    Ok(reply::nothing())
}
