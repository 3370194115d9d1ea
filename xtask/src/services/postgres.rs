//! PostgreSQL: one server with an empty database.

use super::kind::Kind;
use super::packages::{self, Program};
use super::process::Account;
use super::site::{Engine, Node, Site, text};
use crate::cargo;
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The only role; the server asks for no password.
const ROLE: &str = "vitrina";

/// The database that every server begins with.
const DATABASE: &str = "postgres";

/// The account that Debian's package makes. The server refuses to run as root.
const ACCOUNT: &str = "postgres";

const NODE: &str = "node-1";

/// Written once the folder of the data is whole.
const INITIALISED: &str = "initialised";

/// The service; there is one shape of it.
pub(super) struct Postgres;

impl Kind for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn programs(&self) -> &'static [Program] {
        const fn program(command: &'static str) -> Program {
            Program {
                command,
                package: "postgresql",
            }
        }
        const {
            &[
                program("initdb"),
                program("postgres"),
                program("pg_isready"),
            ]
        }
    }

    fn image(&self) -> &'static str {
        "postgres:15"
    }

    fn container_environment(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("POSTGRES_USER", ROLE),
            ("POSTGRES_DB", DATABASE),
            ("POSTGRES_HOST_AUTH_METHOD", "trust"),
        ]
    }

    fn port_count(&self) -> usize {
        1
    }

    fn variables(&self, site: &Site) -> Vec<(&'static str, String)> {
        let url = format!("postgres://{ROLE}@{}/{DATABASE}", site.address(0));
        vec![("VITRINA_TEST_POSTGRES", url)]
    }

    fn prepare(&self, site: &Site) -> Result<()> {
        let whole = site.folder.join(INITIALISED);
        // Containers make their own.
        if site.engine == Engine::Docker || whole.is_file() {
            return Ok(());
        }
        let data = site.node_folder(NODE);
        if data.is_dir() {
            // Of an initdb that was interrupted; it begins with an empty folder only.
            std::fs::remove_dir_all(&data)?;
        }
        site.make_node_folder(NODE)?;
        let account = account()?;
        let mut command = Command::new(packages::find("initdb").context("there is no initdb")?);
        command
            .args([
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ])
            .args(["--username", ROLE, "--pgdata"])
            .arg(&data)
            .current_dir(&data);
        if let Some(account @ Account { uid, gid }) = account {
            reachable(&data, account)?;
            std::os::unix::fs::chown(&data, Some(uid), Some(gid))?;
            command.uid(uid).gid(gid);
        }
        let done = command.output().context("could not start initdb")?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            bail!("{} failed: {}", cargo::describe(&command), said.trim());
        }
        std::fs::write(whole, "")?;
        Ok(())
    }

    fn nodes(&self, site: &Site) -> Result<Vec<Node>> {
        let port = site.ports.first().context("a server without a port")?;
        let mut argv = match site.engine {
            Engine::Docker => vec!["postgres".to_owned()],
            Engine::Native => {
                let program = packages::find("postgres").context("there is no postgres")?;
                let data = text(&site.node_folder(NODE));
                vec![text(&program), "-D".to_owned(), data]
            }
        };
        let settings = [
            format!("port={port}"),
            format!("listen_addresses={}", site.listen()),
            // Debian's default is a folder that only its own account may write.
            "unix_socket_directories=".to_owned(),
            // A killed server keeps what it wrote; only a killed machine would not.
            "fsync=off".to_owned(),
        ];
        for setting in settings {
            argv.extend(["-c".to_owned(), setting]);
        }
        let account = match site.engine {
            Engine::Native => account()?,
            Engine::Docker => None,
        };
        Ok(vec![Node {
            name: NODE.to_owned(),
            argv,
            account,
        }])
    }

    fn check(&self, site: &Site) -> Result<()> {
        let port = site.ports.first().context("a server without a port")?;
        let mut command = match site.engine {
            Engine::Native => Command::new(packages::find("pg_isready").context("no pg_isready")?),
            Engine::Docker => super::docker::inside(site, self.name(), NODE, "pg_isready"),
        };
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--username", ROLE, "--dbname", DATABASE]);
        let done = command.output().context("could not start pg_isready")?;
        let said = String::from_utf8_lossy(&done.stdout);
        ensure!(done.status.success(), "{}", said.trim());
        Ok(())
    }

    fn polite(&self) -> Signal {
        // "Fast": does not wait for clients to leave.
        Signal::INT
    }
}

/// The account to run as when we are root, of the machine's list of accounts.
fn account() -> Result<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")?;
    let found = find(&accounts, ACCOUNT);
    let account = found.with_context(|| format!("there is no account {ACCOUNT} to run as"))?;
    Ok(Some(account))
}

fn find(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let _password = fields.next()?;
        Some(Account {
            uid: fields.next()?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    })
}

/// Whether an account may go all the way down to a folder.
fn reachable(folder: &Path, account: Account) -> Result<()> {
    for above in folder.ancestors().skip(1) {
        let found = std::fs::metadata(above)?;
        let may_all_pass = found.permissions().mode() & 0o001 != 0;
        ensure!(
            may_all_pass || found.uid() == account.uid,
            "account {ACCOUNT} may not pass {}; run as another user than root, move the \
             checkout, or set VITRINA_TEST_POSTGRES to a server of your own",
            above.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_found_by_its_whole_name() {
        let accounts = "root:x:0:0::/r:/bin/sh\npostgres2:x:7:8::/:/bin/sh\n\
                        postgres:x:105:113::/v:/bin/bash\nbroken:x:a:b\n";
        assert_eq!(
            find(accounts, "postgres"),
            Some(Account { uid: 105, gid: 113 })
        );
        assert_eq!(find(accounts, "nobody"), None);
        assert_eq!(find(accounts, "broken"), None);
    }

    #[test]
    fn in_a_container_the_image_makes_the_data_and_all_addresses_are_listened_on() {
        let site = Site {
            root: "/w".into(),
            folder: "/w/target/services/postgres".into(),
            ports: vec![7],
            engine: Engine::Docker,
        };
        let [node] = Postgres.nodes(&site).unwrap().try_into().unwrap();
        let line = node.argv.join(" ");
        assert!(
            line.starts_with("postgres -c port=7 -c listen_addresses=0.0.0.0 -c "),
            "{line}"
        );
        assert_eq!(node.account, None);
        let want = (
            "VITRINA_TEST_POSTGRES",
            "postgres://vitrina@127.0.0.1:7/postgres".to_owned(),
        );
        assert_eq!(Postgres.variables(&site), [want]);
    }

    #[test]
    fn a_folder_that_only_its_owner_may_pass_is_not_reachable() {
        let top = tempfile::tempdir().unwrap();
        let data = top.path().join("services/data");
        std::fs::create_dir_all(&data).unwrap();
        let set = |mode| {
            std::fs::set_permissions(top.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let own = std::fs::metadata(top.path()).unwrap().uid();
        let [owner, other] = [own, own + 1].map(|uid| Account { uid, gid: uid });
        #[rustfmt::skip]
        let cases = [
            ("open, owner",   0o755, owner, true),
            ("open, other",   0o755, other, true),
            ("closed, owner", 0o700, owner, true),
            ("closed, other", 0o700, other, false),
        ];
        for (name, mode, account, want) in cases {
            set(mode);
            assert_eq!(reachable(&data, account).is_ok(), want, "{name}");
        }
    }
}
