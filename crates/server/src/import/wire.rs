//! Drafts as the API's event objects: for sending a file to a running server.

use serde_json::{Map, Value, json};
use vitrina_types::event::EventDraft;
use vitrina_types::event::draft::{ContextDraft, LineDraft};

/// Appends a draft as one line.
pub fn write_draft(draft: &EventDraft, out: &mut Vec<u8>) {
    let mut object = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(key.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    put("event_id", text(&draft.event_id));
    put("event_type", text(&draft.event_type));
    put("user_id", text(&draft.user_id));
    put("anonymous_id", text(&draft.anonymous_id));
    put("session_id", text(&draft.session_id));
    put("product_id", text(&draft.product_id));
    put(
        "items",
        draft
            .items
            .as_deref()
            .map(|items| items.iter().map(line).collect()),
    );
    put("event_time", draft.event_time.map(|at| at.0.into()));
    put("quantity", draft.quantity.map(Into::into));
    put("price", draft.price.map(|price| price.units().into()));
    put("currency", text(&draft.currency));
    put("rating", draft.rating.map(Into::into));
    put("query", text(&draft.query));
    put("slate_id", text(&draft.slate_id));
    put("position", draft.position.map(Into::into));
    put("placement", text(&draft.placement));
    put("context", draft.context.as_deref().map(context));
    put("consent", draft.consent.map(|consent| json!(consent)));
    out.extend_from_slice(Value::Object(object).to_string().as_bytes());
    out.push(b'\n');
}

fn line(line: &LineDraft) -> Value {
    json!({
        "product_id": line.product_id,
        "quantity": line.quantity,
        "price": line.price,
    })
}

fn context(context: &ContextDraft) -> Value {
    json!({
        "ip": context.ip,
        "user_agent": context.user_agent,
        "device": context.device,
        "region": context.region,
        "locale": context.locale,
        "referrer": context.referrer,
    })
}

/// Appends a row that could not be read as one line that the server cannot read either, so that
/// it ends among the dead letters there too.
pub fn write_bad(row: &[u8], out: &mut Vec<u8>) {
    let one_line = !row.contains(&b'\n') && !row.trim_ascii().is_empty();
    if one_line && serde_json::from_slice::<serde::de::IgnoredAny>(row).is_err() {
        out.extend_from_slice(row);
    } else {
        let text = String::from_utf8_lossy(row);
        out.extend_from_slice(Value::from(text).to_string().as_bytes());
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_comes_back_as_it_was() {
        let lines = [
            r#"{"event_id":"e","event_type":"purchase","user_id":"u","anonymous_id":"a","session_id":"s","items":[{"product_id":"p","quantity":2,"price":9.5}],"event_time":"2019-10-01T00:00:00.25Z","currency":"USD","consent":{"personalisation":false}}"#,
            r#"{"event_type":"rating","product_id":"p","rating":4.5,"quantity":3,"price":"12.34","slate_id":"x","position":7,"placement":"home","context":{"ip":"::1","locale":"ru"}}"#,
            r#"{"event_type":"search","query":"умные часы"}"#,
        ];
        for line in lines {
            let draft: EventDraft = serde_json::from_str(line).unwrap();
            let mut out = Vec::new();
            write_draft(&draft, &mut out);
            let back: EventDraft = serde_json::from_slice(&out).unwrap();
            assert_eq!(format!("{draft:?}"), format!("{back:?}"));
        }
    }

    #[test]
    fn a_bad_row_stays_one_bad_line() {
        for row in [
            &b"a,b,c"[..],
            b"a\nb",
            b"  ",
            b"{\"event_type\":\"view\"}",
            b"\xff\xfe",
        ] {
            let mut out = Vec::new();
            write_bad(row, &mut out);
            assert_eq!(
                out.iter().filter(|byte| **byte == b'\n').count(),
                1,
                "{row:?}"
            );
            assert!(
                serde_json::from_slice::<EventDraft>(&out).is_err(),
                "{row:?}"
            );
        }
    }
}
