//! Window rows: what happened to products, categories, brands, placements and sessions, and how
//! far sessions came.

use super::extract::Params;
use super::problem::Problem;
use super::reply::{self, Reply};
use super::schema::problems::ReadRowsProblems;
use super::schema::row::{FunnelBody, PlacementRow, PlacementRowPage, RowBody, RowPage};
use super::state::App;
use axum::extract::State;
use vitrina_engine::{FUNNEL_SPAN_MAX_MS, RowSums, RowsAsked, SUMS_PER_PAGE_MAX, SumCursor};
use vitrina_types::event::Rejection;
use vitrina_types::row::{Dimension, ROW_ID_BYTES_MAX};
use vitrina_types::time::EventTime;

/// Rows of a page when nothing is said.
const LIMIT_DEFAULT: usize = 50;
/// The period when nothing is said, in ms: a day up to now.
const SPAN_DEFAULT_MS: i64 = 24 * HOUR_MS;
/// What every cursor of this version begins with.
const CURSOR: &str = "r1";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Farthest zone from UTC, in minutes.
const ZONE_MINUTES_MAX: i64 = 18 * 60;
/// Names and lengths of steps, in ms.
const STEPS: [(&str, i64); 3] = [
    ("10m", 10 * MINUTE_MS),
    ("1h", HOUR_MS),
    ("1d", 24 * HOUR_MS),
];

/// Window rows, summed up to steps
///
/// By begin of the step, then by id. A row is told once its window is closed; what comes late, but
/// within the grace, makes a newer one that replaces it. The steps that `from` and `to` lie in are
/// answered whole. Sessions have windows of their own and count in the step they begin in.
#[utoipa::path(
    get,
    path = "/v1/analytics/rows",
    operation_id = "list_rows",
    tag = "analytics",
    params(
        ("dimension" = String, Query, description = "What the rows are about: product, category, brand, placement, session", pattern = "^(product|category|brand|placement|session)$"),
        ("id" = Option<String>, Query, description = "Only of this product, category, brand, placement or session", nullable = false, min_length = 1, max_length = 280),
        ("from" = Option<String>, Query, description = "First moment, RFC 3339 or epoch milliseconds; a day before `to` when absent", nullable = false),
        ("to" = Option<String>, Query, description = "First moment after the last; now when absent", nullable = false),
        ("step" = Option<String>, Query, description = "Length of a step: 10m, 1h, 1d; 1h when absent", nullable = false, pattern = "^(10m|1h|1d)$"),
        ("zone_offset" = Option<String>, Query, description = "Zone whose hours and days the steps are, such as +03:00; a multiple of 10 minutes", nullable = false, pattern = "^[+-][0-9]{2}:[0-9]{2}$"),
        ("limit" = Option<u32>, Query, description = "Rows of a page", nullable = false, minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", nullable = false, pattern = "^r1:[0-9]{1,19}:([0-9a-f]{2}){0,280}$"),
    ),
    responses((status = 200, description = "A page", body = RowPage), ReadRowsProblems)
)]
pub async fn list(State(app): State<App>, mut params: Params) -> Reply {
    let name = params.text("dimension")?;
    let dimension = read_dimension(name.as_deref())?;
    let id = params.bounded_text("id", ROW_ID_BYTES_MAX)?;
    let asked = read_asked(&app, params, dimension, id)?;
    let page = app.engine.row_sums(asked).await?;
    reply::ok(&RowPage {
        next_cursor: next_cursor(&page),
        rows: page.sums.iter().map(RowBody::from).collect(),
    })
}

/// Rows of placements, split into placement and source
///
/// Rows without a `source` are of everything shown in the placement; the others of what one source
/// of candidates put there.
#[utoipa::path(
    get,
    path = "/v1/analytics/placements",
    operation_id = "list_placement_rows",
    tag = "analytics",
    params(
        ("from" = Option<String>, Query, description = "First moment, RFC 3339 or epoch milliseconds; a day before `to` when absent", nullable = false),
        ("to" = Option<String>, Query, description = "First moment after the last; now when absent", nullable = false),
        ("step" = Option<String>, Query, description = "Length of a step: 10m, 1h, 1d; 1h when absent", nullable = false, pattern = "^(10m|1h|1d)$"),
        ("zone_offset" = Option<String>, Query, description = "Zone whose hours and days the steps are, such as +03:00; a multiple of 10 minutes", nullable = false, pattern = "^[+-][0-9]{2}:[0-9]{2}$"),
        ("limit" = Option<u32>, Query, description = "Rows of a page", nullable = false, minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", nullable = false, pattern = "^r1:[0-9]{1,19}:([0-9a-f]{2}){0,280}$"),
    ),
    responses((status = 200, description = "A page", body = PlacementRowPage), ReadRowsProblems)
)]
pub async fn placements(State(app): State<App>, params: Params) -> Reply {
    let asked = read_asked(&app, params, Dimension::Placement, None)?;
    let page = app.engine.row_sums(asked).await?;
    reply::ok(&PlacementRowPage {
        next_cursor: next_cursor(&page),
        placements: page.sums.iter().map(PlacementRow::from).collect(),
    })
}

/// How far sessions came
///
/// Of the sessions that began in the period. Each step counts the sessions that reached it or a
/// later one. At most 92 days.
#[utoipa::path(
    get,
    path = "/v1/analytics/funnel",
    operation_id = "session_funnel",
    tag = "analytics",
    params(
        ("from" = Option<String>, Query, description = "First moment, RFC 3339 or epoch milliseconds; a day before `to` when absent", nullable = false),
        ("to" = Option<String>, Query, description = "First moment after the last; now when absent", nullable = false),
    ),
    responses((status = 200, description = "The funnel", body = FunnelBody), ReadRowsProblems)
)]
pub async fn funnel(State(app): State<App>, mut params: Params) -> Reply {
    let (from, to) = read_period(&app, &mut params)?;
    params.end()?;
    if to.since_ms(from) > FUNNEL_SPAN_MAX_MS {
        let days = FUNNEL_SPAN_MAX_MS / (24 * HOUR_MS);
        let detail = format!("from lies at most {days} days before to");
        return Err(Problem::unprocessable(Rejection::new(
            "out_of_range",
            "from",
            detail,
        )));
    }
    let funnel = app.engine.funnel(from, to).await?;
    reply::ok(&FunnelBody {
        from,
        to,
        sessions: funnel.sessions,
        viewed: funnel.viewed,
        carted: funnel.carted,
        purchased: funnel.purchased,
    })
}

fn read_dimension(name: Option<&str>) -> Result<Dimension, Problem> {
    let names = Dimension::ALL.map(Dimension::name).join(", ");
    match name {
        None => {
            let detail = format!("dimension is one of {names}");
            Err(Problem::bad_field("missing_field", "dimension", detail))
        }
        Some(name) => Dimension::from_name(name).ok_or_else(|| {
            let detail = format!("dimension is one of {names}");
            Problem::bad_field("unknown_dimension", "dimension", detail)
        }),
    }
}

/// Everything the pages of rows have in common.
fn read_asked(
    app: &App,
    mut params: Params,
    dimension: Dimension,
    id: Option<String>,
) -> Result<RowsAsked, Problem> {
    let (from, to) = read_period(app, &mut params)?;
    let step_ms = read_step(params.text("step")?.as_deref())?;
    let offset_ms = read_zone(
        params.text("zone_offset")?.as_deref(),
        app.engine.row_window_ms(),
    )?;
    let limit = params.number("limit", 1..=SUMS_PER_PAGE_MAX)?;
    let after = params
        .text("cursor")?
        .as_deref()
        .map(read_cursor)
        .transpose()?;
    params.end()?;
    Ok(RowsAsked {
        dimension,
        id,
        from,
        to,
        step_ms,
        offset_ms,
        after,
        limit: limit.unwrap_or(LIMIT_DEFAULT),
    })
}

/// The period: what is absent is the last day.
fn read_period(app: &App, params: &mut Params) -> Result<(EventTime, EventTime), Problem> {
    let mut time = |name| {
        params
            .text(name)
            .and_then(|text| read_time(name, text.as_deref()))
    };
    let (from, to) = (time("from")?, time("to")?);
    let to = to.unwrap_or_else(|| app.engine.now().as_event_time());
    let from = from.unwrap_or_else(|| EventTime((to.0 - SPAN_DEFAULT_MS).max(0)));
    if from >= to {
        let detail = "from lies before to".to_owned();
        return Err(Problem::unprocessable(Rejection::new(
            "out_of_range",
            "from",
            detail,
        )));
    }
    Ok((from, to))
}

fn read_time(name: &'static str, text: Option<&str>) -> Result<Option<EventTime>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let time = match text.parse::<i64>() {
        Ok(ms) => EventTime::from_epoch_ms(ms),
        // A + that was not escaped is read as a space.
        Err(_) => EventTime::parse(&text.replace(' ', "+")),
    };
    time.map(Some)
        .map_err(|error| Problem::bad_field("invalid_time", name, format!("{name} is {error}")))
}

fn read_step(text: Option<&str>) -> Result<i64, Problem> {
    let text = text.unwrap_or("1h");
    let step = STEPS.iter().find(|step| step.0 == text);
    step.map(|step| step.1)
        .ok_or_else(|| Problem::bad_field("out_of_range", "step", "step is 10m, 1h or 1d"))
}

/// The offset of a zone from UTC, in ms: `+03:00`.
fn read_zone(text: Option<&str>, window_ms: i64) -> Result<i64, Problem> {
    let Some(text) = text else {
        return Ok(0);
    };
    let wrong = || {
        let detail = "zone_offset is an offset from UTC, such as +03:00 or -05:30";
        Problem::bad_field("invalid_zone_offset", "zone_offset", detail)
    };
    let minutes = zone_minutes(text).ok_or_else(wrong)?;
    let offset_ms = minutes * MINUTE_MS;
    if offset_ms % window_ms.max(1) != 0 {
        let detail = format!(
            "zone_offset is a multiple of {} minutes, the length of the rows' windows",
            window_ms / MINUTE_MS
        );
        return Err(Problem::unprocessable(Rejection::new(
            "out_of_range",
            "zone_offset",
            detail,
        )));
    }
    Ok(offset_ms)
}

fn zone_minutes(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        // A + that was not escaped is read as a space.
        ("+" | " ", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |text: &str| {
        let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= ZONE_MINUTES_MAX).then_some(sign * all)
}

/// The cursor behind the last sum of a page, when there is more.
fn next_cursor(page: &RowSums) -> Option<String> {
    let next = page.next.as_ref()?;
    let id = next.id.bytes().map(|byte| format!("{byte:02x}"));
    Some(format!(
        "{CURSOR}:{}:{}",
        next.start.0,
        id.collect::<String>()
    ))
}

fn read_cursor(text: &str) -> Result<SumCursor, Problem> {
    cursor_of(text).ok_or_else(|| {
        let detail = "cursor is the next_cursor of the page before";
        Problem::bad_field("invalid_cursor", "cursor", detail)
    })
}

fn cursor_of(text: &str) -> Option<SumCursor> {
    let rest = text.strip_prefix(CURSOR)?.strip_prefix(':')?;
    let (start, id) = rest.split_once(':')?;
    let fits = id.len() <= 2 * ROW_ID_BYTES_MAX && id.len().is_multiple_of(2) && id.is_ascii();
    let pairs = id.as_bytes().chunks_exact(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes: Vec<u8> = fits.then(|| pairs.collect::<Option<Vec<u8>>>()).flatten()?;
    Some(SumCursor {
        start: EventTime(start.parse().ok()?),
        id: String::from_utf8(bytes).ok()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_cases() {
        #[rustfmt::skip]
        let cases = [
            ("+03:00", Some(180)), (" 03:00", Some(180)), ("-05:30", Some(-330)), ("+00:00", Some(0)),
            ("+18:00", Some(1_080)), ("+18:10", None), ("3:00", None), ("+3:00", None), ("+03", None),
            ("+03:60", None), ("Z", None), ("", None), ("+0a:00", None), ("ы03:00", None),
        ];
        for (text, want) in cases {
            assert_eq!(zone_minutes(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_cursor_reads_back() {
        let page = RowSums {
            sums: Vec::new(),
            next: Some(SumCursor {
                start: EventTime(1_700_000_000_000),
                id: "товар/1".into(),
            }),
        };
        let cursor = next_cursor(&page).unwrap();
        assert_eq!(cursor_of(&cursor), page.next);
        for bad in [
            "", "r1", "r1:", "r1:x:", "r1:1:a", "r1:1:zz", "r1:1:ff", "c1:1:61", "r1:1:é1",
        ] {
            assert_eq!(cursor_of(bad), None, "{bad}");
        }
    }
}
