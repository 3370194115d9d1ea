//! `vitrina serve`: the HTTP API and the console, until told to stop.

use super::failure::Failure;
use super::out::note;
use super::shell::Shell;
use crate::config::{Flags, Settings};
use crate::ports::{OpenError, is_shared};
use crate::service::Service;
use crate::serving::{Serving, signal};
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use vitrina_engine::Roles;

/// Arguments of `vitrina serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// What this process does, one or several; the others of a shop do the rest
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    role: Vec<Role>,
    /// Address to serve on [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Serve other than loopback addresses without any API key
    #[arg(long)]
    insecure: bool,
    /// File to write the address to once everything is ready
    #[arg(long, value_name = "FILE")]
    addr_file: Option<PathBuf>,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Everything
    All,
    /// Intake and answers; any number of processes
    Api,
    /// The stream; any number of processes share it
    Stream,
    /// The catalogue with its outbox, window rows, and all else that one process is enough for
    Relay,
    /// Models; not in this release
    Train,
    /// Checkpoints by a process of its own; not in this release
    Checkpoint,
}

/// What the engine is to do; `None` where a role is not in this release.
fn roles(asked: &[Role]) -> Option<Roles> {
    let is = |role| asked.contains(&Role::All) || asked.contains(&role);
    let is_here = |role: &Role| !matches!(role, Role::Train | Role::Checkpoint);
    asked.iter().all(is_here).then_some(Roles {
        stream: is(Role::Stream),
        answers: is(Role::Api),
        chores: is(Role::Relay),
    })
}

pub(crate) async fn run(shell: &Shell, args: &ServeArgs) -> Result<(), Failure> {
    let Some(roles) = roles(&args.role) else {
        return Err(Failure::wrong_use(
            "this release has no process for models or checkpoints alone",
        )
        .hint("leave --role out, or say all, api, stream or relay"));
    };
    let flags = Flags::default()
        .set("listen", args.listen.map(|listen| listen.to_string()))
        .set("insecure", args.insecure.then_some(true));
    let loaded = shell.load(flags)?;
    let facts = vec![loaded.facts()];
    let settings = loaded.settings;
    if roles != Roles::all() && !is_shared(&settings) {
        let refused = OpenError::NotShared;
        let failure = Failure::wrong_use(refused.to_string());
        return Err(failure.hint(refused.advice().unwrap_or_default()));
    }
    admit(&settings)?;
    super::logging::start(&settings)?;
    // Heard from here on, so that a signal during a long start is not lost.
    let told = signal()?;
    let listener = bind(settings.listen).await?;
    let mut service = Service::open(&settings, facts, roles).await?;
    for repair in service.repairs() {
        tracing::warn!("{repair}");
    }
    let connections_max = settings.limits.connections_max;
    let serving =
        Serving::start(&mut service, listener, &settings.data_dir, connections_max).await?;
    if let Some(file) = &args.addr_file {
        crate::files::write_whole(file, serving.url.as_bytes())?;
    }
    note(&format!("listening on {}", serving.url));
    let name = told.await;
    tracing::info!(signal = name, "stopping");
    shut_down(
        service,
        serving,
        Duration::from_millis(settings.shutdown_deadline_ms),
    )
    .await
}

/// Stops serving, then the engine.
pub(crate) async fn shut_down(
    service: Service,
    serving: Serving,
    deadline: Duration,
) -> Result<(), Failure> {
    service.app.drain();
    let ended = tokio::time::timeout(deadline, async {
        serving.stop(deadline / 2).await;
        service.close().await
    });
    match ended.await {
        Ok(closed) => Ok(closed?),
        Err(_) => Err(Failure::new("not everything ended before the deadline")
            .hint("nothing acknowledged is lost; the next start replays what was not written")),
    }
}

/// Listens.
pub(crate) async fn bind(listen: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(listen).await.map_err(|error| {
        Failure::new(format!("cannot listen on {listen}: {error}"))
            .hint("choose another address with --listen; port 0 takes a free one")
    })
}

/// Whether these settings may be served.
fn admit(settings: &Settings) -> Result<(), Failure> {
    let open = !settings.listen.ip().is_loopback() && settings.api_keys.is_empty();
    if open && !settings.insecure {
        let message = format!(
            "{} can be reached from other machines, and no API key is configured",
            settings.listen
        );
        return Err(Failure::wrong_use(message)
            .hint("set api_keys, or say --insecure if whoever reaches it may do everything"));
    }
    if settings.api_keys.is_empty() && !settings.write_keys.is_empty() {
        return Err(Failure::wrong_use(
            "write_keys without api_keys would lock out everybody else",
        )
        .hint("set api_keys too"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secrets;

    #[test]
    fn admission_cases() {
        let keys: Secrets = serde_json::from_str("\"a-long-key\"").unwrap();
        let none = Secrets::default();
        #[rustfmt::skip]
        let cases = [
            ("loopback",         "127.0.0.1:1",   &none, &none, false, true),
            ("loopback 6",       "[::1]:1",       &none, &none, false, true),
            ("open",             "0.0.0.0:1",     &none, &none, false, false),
            ("open, keys",       "0.0.0.0:1",     &keys, &none, false, true),
            ("open, insecure",   "192.168.0.1:1", &none, &none, true,  true),
            ("only write keys",  "127.0.0.1:1",   &none, &keys, false, false),
            ("both",             "[::]:1",        &keys, &keys, false, true),
        ];
        for (name, listen, api, write, insecure, good) in cases {
            let settings = Settings {
                listen: listen.parse().unwrap(),
                api_keys: api.clone(),
                write_keys: write.clone(),
                insecure,
                ..Settings::default()
            };
            let refused = admit(&settings).err();
            assert_eq!(refused.is_none(), good, "{name}");
            assert!(refused.is_none_or(|failure| failure.code() == 2), "{name}");
        }
    }
}
