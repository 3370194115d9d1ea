//! `vitrina product`: look at products and write them.

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::client::{JSON, encoded};
use crate::door::{Door, Need};
use bytes::Bytes;
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Arguments of `vitrina product`.
#[derive(Debug, Args)]
pub struct ProductArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show one product
    Get {
        /// Its id
        id: String,
    },
    /// Create or replace one product
    Put {
        /// File with its JSON object; - reads standard input
        file: PathBuf,
    },
    /// Offer products: each comes into the catalogue unless a ban holds it back
    Offer {
        /// File with a JSON object, an array of them, or one a line; - reads standard input
        file: PathBuf,
    },
    /// List products in order of their ids
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// `next_cursor` of the page before
        #[arg(long)]
        cursor: Option<String>,
    },
}

pub(crate) async fn run(shell: &Shell, args: &ProductArgs) -> Result<(), Failure> {
    let need = if matches!(args.what, What::Put { .. } | What::Offer { .. }) {
        Need::Any
    } else {
        Need::Existing
    };
    let door = shell.door(need).await?;
    let done = call(&door, &args.what).await;
    door.close().await?;
    let value = done?;
    shell.out.show(&value, || as_text(&value))
}

async fn call(door: &Door, what: &What) -> Result<Value, Failure> {
    match what {
        What::Get { id } => Ok(door.get(&format!("/v1/products/{}", encoded(id))).await?),
        What::Put { file } => {
            let text = read(file)?;
            let product: Value = serde_json::from_slice(&text)?;
            let id = product["product_id"].as_str();
            let id = id.ok_or_else(|| Failure::wrong_use("the product has no product_id"))?;
            let path = format!("/v1/products/{}", encoded(id));
            let reply = door
                .call(Method::PUT, &path, JSON, Bytes::from(text))
                .await?;
            Ok(reply.json()?)
        }
        What::Offer { file } => {
            // A text of unsaid form is told by what it holds.
            let text = Bytes::from(read(file)?);
            let path = "/v1/shop-products";
            let reply = door.call(Method::POST, path, "text/plain", text).await?;
            let receipt = reply.json()?;
            if let Door::Here(service) = door {
                service.engine.settled().await;
            }
            Ok(receipt)
        }
        What::List { limit, cursor } => {
            let on = cursor
                .as_ref()
                .map(|cursor| format!("&cursor={}", encoded(cursor)));
            let path = format!("/v1/products?limit={limit}{}", on.unwrap_or_default());
            Ok(door.get(&path).await?)
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut text)?;
    } else {
        text = std::fs::read(file)
            .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    }
    Ok(text)
}

fn as_text(value: &Value) -> String {
    let Some(products) = value["products"].as_array() else {
        return serde_json::to_string_pretty(value).unwrap_or_default();
    };
    let row = |product: &Value| {
        let text = |key: &str| product[key].as_str().unwrap_or_default().to_owned();
        let category = product["category_path"].as_array().map(|levels| {
            levels
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(".")
        });
        let price = product["price"]
            .as_f64()
            .map(|price| format!("{price:.2} {}", text("currency")));
        [
            text("product_id"),
            text("title"),
            text("brand"),
            category.unwrap_or_default(),
            price.unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = products.iter().map(row).collect();
    let shown = table(["product", "title", "brand", "category", "price"], &rows);
    match value["next_cursor"].as_str() {
        Some(cursor) => format!("{shown}\n\nmore: --cursor {cursor}"),
        None => shown,
    }
}
