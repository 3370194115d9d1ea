//! `vitrina ban`: keep products out of all answers.

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::client::{JSON, encoded};
use crate::door::{Door, Need};
use bytes::Bytes;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

/// Arguments of `vitrina ban`.
#[derive(Debug, Args)]
pub struct BanArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Ban a product, or every product with a SKU, of a brand, or with a text in it
    Add {
        #[command(flatten)]
        target: Target,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        /// Who [default: the user of this machine]
        #[arg(long, env = "USER", default_value = "", hide_env_values = true)]
        author: String,
    },
    /// Lift a ban
    Remove {
        #[command(flatten)]
        target: Target,
    },
    /// List the bans in force
    List,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// One product
    #[arg(long, value_name = "ID")]
    product_id: Option<String>,
    /// Every product with this SKU
    #[arg(long)]
    sku: Option<String>,
    /// Every product of this brand, whatever the case
    #[arg(long)]
    brand: Option<String>,
    /// Every product with this text in title, brand or description; * stands for any text
    #[arg(long, value_name = "TEXT")]
    pattern: Option<String>,
}

impl Target {
    /// The field of the API, and what stands in it. The command line takes exactly one.
    fn field(&self) -> (&'static str, &str) {
        let all = [
            ("product_id", &self.product_id),
            ("sku", &self.sku),
            ("brand", &self.brand),
            ("pattern", &self.pattern),
        ];
        let mut given = all
            .into_iter()
            .filter_map(|(field, text)| Some((field, text.as_deref()?)));
        given.next().unwrap_or_default()
    }

    fn ban_id(&self) -> String {
        let (field, text) = self.field();
        format!("{}:{text}", field.trim_end_matches("_id"))
    }
}

pub(crate) async fn run(shell: &Shell, args: &BanArgs) -> Result<(), Failure> {
    let need = if matches!(args.what, What::Add { .. }) {
        Need::Any
    } else {
        Need::Existing
    };
    let door = shell.door(need).await?;
    let done = call(&door, &args.what).await;
    door.close().await?;
    let (value, text) = done?;
    shell.out.show(&value, || text)
}

async fn call(door: &Door, what: &What) -> Result<(Value, String), Failure> {
    match what {
        What::Add {
            target,
            reason,
            author,
        } => {
            let mut body = json!({ "reason": reason, "author": author });
            let (field, text) = target.field();
            body[field] = json!(text);
            let body = Bytes::from(body.to_string());
            let reply = door.call(Method::POST, "/v1/bans", JSON, body).await?;
            Ok((reply.json()?, format!("banned {}", target.ban_id())))
        }
        What::Remove { target } => {
            let id = target.ban_id();
            let path = format!("/v1/bans/{}", encoded(&id));
            let reply = door.call(Method::DELETE, &path, JSON, Bytes::new()).await?;
            reply.good()?;
            Ok((json!({ "lifted": id }), format!("lifted the ban of {id}")))
        }
        What::List => {
            let bans = all(door).await?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let row =
                |ban: &Value| ["ban_id", "reason", "author", "created_at"].map(|k| text(&ban[k]));
            let rows: Vec<_> = bans.iter().map(row).collect();
            let shown = table(["banned", "reason", "by", "since"], &rows);
            Ok((json!({ "bans": bans }), shown))
        }
    }
}

async fn all(door: &Door) -> Result<Vec<Value>, Failure> {
    let (mut bans, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let on = cursor
            .map(|cursor| format!("&cursor={}", encoded(&cursor)))
            .unwrap_or_default();
        let mut page: Value = door.get(&format!("/v1/bans?limit=1000{on}")).await?;
        if let Some(Value::Array(some)) = page.get_mut("bans").map(Value::take) {
            bans.extend(some);
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(bans);
        }
    }
}
