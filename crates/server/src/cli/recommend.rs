//! `vitrina recommend`: what to show to a user.

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::client::{JSON, encoded};
use crate::door::{Door, Need};
use crate::http::extract::read_span;
use crate::http::requests::WAIT_MAX;
use bytes::Bytes;
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Arguments of `vitrina recommend`.
#[derive(Debug, Args)]
pub struct RecommendArgs {
    /// The user's id; an unknown user gets what is popular and new
    user: String,
    /// Where it will be shown
    #[arg(long, default_value = "home")]
    placement: String,
    /// Only products of this category, levels joined by dots
    #[arg(long)]
    category: Option<String>,
    /// Only products up to this price
    #[arg(long, value_parser = price, conflicts_with = "wait")]
    max_price: Option<f64>,
    /// How many
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Ask over the topics, and wait for the answer to this very question
    #[arg(long)]
    wait: bool,
    /// How long to wait for it, like 500ms or 10s
    #[arg(long, default_value = "10s", value_parser = span, requires = "wait")]
    timeout: Duration,
}

fn span(text: &str) -> Result<Duration, String> {
    read_span(text).ok_or_else(|| "not a time like 500ms or 10s".to_owned())
}

fn price(text: &str) -> Result<f64, String> {
    let price: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if price.is_finite() && price >= 0.0 {
        Ok(price)
    } else {
        Err("not a price".to_owned())
    }
}

impl RecommendArgs {
    fn path(&self) -> String {
        let mut path = format!(
            "/v1/recommendations/{}?placement={}&limit={}",
            encoded(&self.user),
            encoded(&self.placement),
            self.limit
        );
        if let Some(category) = &self.category {
            path += &format!("&category={}", encoded(category));
        }
        if let Some(price) = self.max_price {
            path += &format!("&max_price={price}");
        }
        path
    }
}

pub(crate) async fn run(shell: &Shell, args: &RecommendArgs) -> Result<(), Failure> {
    let door = shell.door(Need::Existing).await?;
    let answer = if args.wait {
        ask_and_wait(&door, args).await
    } else {
        let answer = door.get::<Value>(&args.path()).await;
        answer.map_err(Failure::from)
    };
    door.close().await?;
    let answer = answer?;
    shell
        .out
        .show(&answer, || as_text(&answer, &shell.common.where_said()))
}

/// Puts the question on its topic, and fetches the answer to it.
async fn ask_and_wait(door: &Door, args: &RecommendArgs) -> Result<Value, Failure> {
    let question = json!({
        "user_id": args.user,
        "placement": args.placement,
        "category": args.category,
        "limit": args.limit,
    });
    let body = Bytes::from(question.to_string());
    let reply = door.call(Method::POST, "/v1/requests", JSON, body).await?;
    let asked: Value = reply.json()?;
    let id = asked["requests"][0].as_str().unwrap_or_default();
    let began = Instant::now();
    loop {
        let left = args.timeout.saturating_sub(began.elapsed());
        let wait = left.min(WAIT_MAX).as_millis();
        let path = format!("/v1/requests/{}?wait={wait}ms", encoded(id));
        match door.get::<Value>(&path).await {
            Err(error) if error.is_not_found() && began.elapsed() >= args.timeout => {
                let message = format!("no answer to question {id} yet");
                return Err(Failure::new(message)
                    .hint("it is in the log and will be answered; wait longer with --timeout"));
            }
            Err(error) if error.is_not_found() => {}
            answer => return Ok(answer?),
        }
    }
}

/// `place` is what names the same data to another command.
fn as_text(answer: &Value, place: &str) -> String {
    let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<_> = items
        .iter()
        .zip(1..)
        .map(|(item, place): (_, u32)| row(item, place))
        .collect();
    let slate = answer["slate_id"].as_str().unwrap_or_default();
    if rows.is_empty() {
        return format!("nothing to show (slate {slate})");
    }
    let head = ["#", "product", "price", "score", "source", "because of"];
    format!(
        "{}\n\nslate {slate}: `vitrina explain {slate}{place}` says why",
        table(head, &rows)
    )
}

fn row(item: &Value, place: u32) -> [String; 6] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let product = &item["product"];
    let price = product["price"].as_f64().map(|price| {
        format!(
            "{price:.2} {}",
            product["currency"].as_str().unwrap_or_default()
        )
    });
    let reason = &item["reason"];
    let goes_back_to = reason["product_id"]
        .as_str()
        .or(reason["category"].as_str());
    let kind = text(&reason["kind"]);
    [
        place.to_string(),
        text(&product["title"]),
        price.unwrap_or_default().trim_end().to_owned(),
        format!("{:.3}", item["score"].as_f64().unwrap_or_default()),
        text(&item["source"]),
        goes_back_to.map_or(kind.clone(), |to| format!("{kind} {to}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_as_a_table() {
        let answer = json!({"slate_id": "01J", "items": [{
            "product_id": "1", "score": 0.83, "source": "covisit",
            "reason": {"kind": "because_viewed", "product_id": "2"},
            "product": {"title": "samsung · smartphone · 1", "price": 130.76, "currency": "USD"},
        }]});
        let text = as_text(&answer, " --data-dir d");
        let want = "#  product                   price       score  source   because of\n\
                    1  samsung · smartphone · 1  130.76 USD  0.830  covisit  because_viewed 2";
        assert!(text.starts_with(want), "{text}");
        assert!(
            text.contains("`vitrina explain 01J --data-dir d`"),
            "{text}"
        );
        assert_eq!(
            as_text(&json!({"slate_id": "x", "items": []}), ""),
            "nothing to show (slate x)"
        );
    }
}
