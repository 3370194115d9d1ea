//! Answers: what to show.

use super::body;
use super::extract::{Params, PathId};
use super::problem::Problem;
use super::reply::{self, Reply};
use super::schema::answer::{AnswerBody, PopularBody, RecentlyViewed};
use super::schema::problems::{AskProblems, FindProblems, ReadProblems, SlateProblems};
use super::schema::query::{self, LIMIT_DEFAULT, QueryInput, SlateParams, VisitorParams};
use super::schema::slate::SlateBody;
use super::split::Form;
use super::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use vitrina_engine::{RecommendRequest, Visitor};
use vitrina_pipeline::Purpose;
use vitrina_types::decayed::Window;
use vitrina_types::id::{ProductId, SlateId, UserId};
use vitrina_types::limits::{SLATE_ITEMS_MAX, TEXT_BYTES_MAX};

/// Recommends for a user
///
/// An unknown user is a cold start, not an error: what is popular, new or near the context.
#[utoipa::path(
    get,
    path = "/v1/recommendations/{user_id}",
    tag = "answers",
    params(
        ("user_id" = String, Path, description = "The user", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"),
        SlateParams, VisitorParams,
    ),
    responses((status = 200, description = "What to show, best first", body = AnswerBody), SlateProblems)
)]
pub async fn recommend(State(app): State<App>, path: PathId, params: Params) -> Reply {
    let user = path.read("user_id", UserId::new)?;
    let asked_for = query::read_get(params)?;
    let request = RecommendRequest {
        fallback: asked_for.anonymous.map(Visitor::Anonymous),
        after: asked_for.after,
        explain: asked_for.asked.explain,
        ..RecommendRequest::new(Some(Visitor::User(user)), asked_for.asked.query)
    };
    let answer = app.engine.recommend(request).await?;
    reply::ok(&AnswerBody::new(&answer, Some(&path.0)))
}

/// Recommends for whoever the question describes
///
/// For a user, for an anonymous visitor, or for nobody known: then `session` says what was looked
/// at so far.
#[utoipa::path(
    post,
    path = "/v1/recommendations",
    tag = "answers",
    request_body(content = QueryInput, content_type = "application/json"),
    responses((status = 200, description = "What to show, best first", body = AnswerBody), AskProblems)
)]
pub async fn recommend_by_query(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    params.end()?;
    let request = query::read_post(body_as_json(&app, &headers, body).await?)?;
    let user = match &request.visitor {
        Some(Visitor::User(user)) => Some(user.clone()),
        Some(Visitor::Anonymous(_)) | None => None,
    };
    let answer = app.engine.recommend(request).await?;
    reply::ok(&AnswerBody::new(&answer, user.as_ref().map(UserId::as_str)))
}

/// Bytes of a body that is one object: twice the largest product. As a value in memory it may take
/// thirty times as much.
const OBJECT_BYTES_MAX: usize = 512 * 1_024;

/// A JSON body as a value.
///
/// # Errors
/// As [`body::read`]; `400` when it is no JSON.
pub async fn body_as_json(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<serde_json::Value, Problem> {
    if Form::of(headers)? == Form::Lines {
        let detail = "Content-Type must be application/json";
        return Err(Problem::unsupported("unsupported_media_type", detail));
    }
    let held = body::read(headers, body, &app.budget).await?;
    if held.bytes.trim_ascii().is_empty() {
        return Err(Problem::bad_request("empty_body", "the body is empty"));
    }
    if held.bytes.len() > OBJECT_BYTES_MAX {
        let detail = format!("the body is larger than {OBJECT_BYTES_MAX} bytes");
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            detail,
        ));
    }
    serde_json::from_slice(&held.bytes)
        .map_err(|error| Problem::bad_request("invalid_json", format!("not JSON: {error}")))
}

/// What is like a product, for anybody
#[utoipa::path(
    get,
    path = "/v1/products/{product_id}/similar",
    tag = "answers",
    params(
        ("product_id" = String, Path, description = "The product in view", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"),
        SlateParams,
    ),
    responses((status = 200, description = "What to show, best first", body = AnswerBody), SlateProblems)
)]
pub async fn similar(State(app): State<App>, path: PathId, params: Params) -> Reply {
    beside(&app, &path, params, "similar", Purpose::Similar).await
}

/// What is bought together with a product
#[utoipa::path(
    get,
    path = "/v1/products/{product_id}/bought-together",
    tag = "answers",
    params(
        ("product_id" = String, Path, description = "The product in view", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"),
        SlateParams,
    ),
    responses((status = 200, description = "What to show, best first", body = AnswerBody), SlateProblems)
)]
pub async fn bought_together(State(app): State<App>, path: PathId, params: Params) -> Reply {
    beside(
        &app,
        &path,
        params,
        "bought_together",
        Purpose::BoughtTogether,
    )
    .await
}

/// A slate beside a product.
async fn beside(
    app: &App,
    path: &PathId,
    mut params: Params,
    placement: &str,
    purpose: Purpose,
) -> Reply {
    let product = path.read("product_id", ProductId::new)?;
    let mut asked = query::read_slate(&mut params, Some(placement))?;
    params.end()?;
    asked.query.product = Some(product);
    asked.query.purpose = purpose;
    let request = RecommendRequest {
        explain: asked.explain,
        ..RecommendRequest::new(None, asked.query)
    };
    let answer = app.engine.recommend(request).await?;
    reply::ok(&AnswerBody::new(&answer, None))
}

/// What a user met last
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}/recently-viewed",
    tag = "answers",
    params(
        ("user_id" = String, Path, description = "The user", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"),
        ("limit" = Option<u32>, Query, description = "Items wanted", nullable = false, minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "Newest first; empty for somebody unknown", body = RecentlyViewed), ReadProblems)
)]
pub async fn recently_viewed(State(app): State<App>, path: PathId, mut params: Params) -> Reply {
    let user = path.read("user_id", UserId::new)?;
    let limit = params.number("limit", 1..=SLATE_ITEMS_MAX)?;
    params.end()?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    let viewed = app
        .engine
        .recently_viewed(&Visitor::User(user), limit)
        .await?;
    reply::ok(&RecentlyViewed {
        user_id: &path.0,
        items: viewed.iter().map(Into::into).collect(),
    })
}

/// What is popular
///
/// With a `window` exactly what was met in it; without one by interest that fades.
#[utoipa::path(
    get,
    path = "/v1/popular",
    tag = "answers",
    params(
        ("window" = Option<String>, Query, description = "1h, 24h or 7d", nullable = false, pattern = "^(1h|24h|7d)$"),
        ("category" = Option<String>, Query, description = "Dotted category path", nullable = false, min_length = 1, max_length = 2048),
        ("limit" = Option<u32>, Query, description = "Items wanted", nullable = false, minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "Most popular first", body = PopularBody), ReadProblems)
)]
pub async fn popular(State(app): State<App>, mut params: Params) -> Reply {
    let window = match params.text("window")? {
        Some(name) => Some(window(&name)?),
        None => None,
    };
    let category = params.bounded_text("category", TEXT_BYTES_MAX)?;
    let limit = params.number("limit", 1..=SLATE_ITEMS_MAX)?;
    params.end()?;
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    let ranked = app.engine.popular(window, category.as_deref(), limit);
    reply::ok(&PopularBody {
        window: window.map(Window::name),
        items: ranked.iter().map(Into::into).collect(),
    })
}

fn window(name: &str) -> Result<Window, Problem> {
    let found = Window::ALL.into_iter().find(|window| window.name() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = Window::ALL.into_iter().map(Window::name).collect();
        let detail = format!("window is one of {}", names.join(", "));
        Problem::bad_field("out_of_range", "window", detail)
    })
}

/// What a slate was and why
#[utoipa::path(
    get,
    path = "/v1/slates/{slate_id}/explain",
    operation_id = "explain_slate",
    tag = "answers",
    params(("slate_id" = String, Path, description = "The slate", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")),
    responses((status = 200, description = "The slate; why, while it is remembered in full", body = SlateBody), FindProblems)
)]
pub async fn explain(State(app): State<App>, path: PathId, params: Params) -> Reply {
    params.end()?;
    let slate = path.read("slate_id", SlateId::new)?;
    match app.engine.explain(&slate).await? {
        Some(record) => reply::ok(&SlateBody::from(&record)),
        None => Err(Problem::not_found("slate")),
    }
}
