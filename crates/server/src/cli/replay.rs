//! `vitrina replay --verify`: does what is stored equal what the event log says?

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::door::running;
use crate::ports::{self, OpenError, has_data, is_shared};
use crate::service::{Service, engine_options};
use clap::Args;
use std::sync::Arc;
use vitrina_engine::{Roles, Verification, verify};

/// Arguments of `vitrina replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Read the whole log again into empty memory and compare every value and every output
    #[arg(long, required = true)]
    verify: bool,
}

pub(crate) async fn run(shell: &Shell, args: &ReplayArgs) -> Result<(), Failure> {
    super::logging::quiet();
    debug_assert!(args.verify, "the only way to replay so far");
    let settings = shell.settings()?;
    if let Some(server) = running(&settings.data_dir, None).await {
        let message = format!(
            "a server runs on {} ({})",
            settings.data_dir.display(),
            server.url()
        );
        return Err(Failure::new(message).hint("stop it first: nothing may change meanwhile"));
    }
    let roles = match is_shared(&settings) {
        false if !has_data(&settings.data_dir) => {
            return Err(OpenError::NoData(settings.data_dir).into());
        }
        false => Roles::all(),
        // The others must have ended; what they did not apply any more is applied here.
        true => Roles {
            stream: true,
            answers: false,
            chores: false,
        },
    };
    // What was accepted before a crash is applied first, as at any start.
    let service = Service::open_in(&settings, roles).await?;
    service.engine.settled().await;
    service.close().await?;
    let stores = ports::open(&settings, roles).await?;
    let ports = Arc::clone(&stores).ports();
    let found = verify(&ports, &engine_options(&settings, 0)).await;
    drop(ports);
    let closed = tokio::task::spawn_blocking(move || stores.close());
    closed
        .await
        .map_err(|error| Failure::new(error.to_string()))?
        .map_err(OpenError::from)?;
    let found = found.map_err(OpenError::from)?;
    shell.out.show(&found, || as_text(&found))?;
    if found.differences > 0 {
        let message = format!("{} differences", found.differences);
        return Err(Failure::new(message).hint(
            "keep the data directory as it is and report this; a restored backup replays cleanly",
        ));
    }
    Ok(())
}

fn as_text(found: &Verification) -> String {
    let rows = [
        [
            "records processed again".to_owned(),
            found.records.to_string(),
        ],
        ["values compared".to_owned(), found.values.to_string()],
        [
            "published records compared".to_owned(),
            found.outputs.to_string(),
        ],
        ["differences".to_owned(), found.differences.to_string()],
    ];
    let mut text = table(["", "count"], &rows);
    for example in &found.examples {
        text += &format!("\n{example}");
    }
    text
}
