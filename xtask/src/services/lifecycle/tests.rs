//! The life of a service whose processes are shells: they start at once and need no package.

use super::*;
use crate::services::packages::Program;
use anyhow::ensure;
use tempfile::TempDir;

/// Two shells, the second with a script of its own. Ready when the folder has a file `ready`.
struct Shells(&'static str);

const GOES_ON: &str = "touch ../ready; while :; do sleep 1; done";

static STEADY: Shells = Shells(GOES_ON);
static BRITTLE: Shells = Shells("echo last words; exit 3");
static MUTE: Shells = Shells("while :; do sleep 1; done");

impl Kind for Shells {
    fn name(&self) -> &'static str {
        "shells"
    }

    fn programs(&self) -> &'static [Program] {
        &[Program {
            command: "sh",
            package: "dash",
        }]
    }

    fn image(&self) -> &'static str {
        "none"
    }

    fn port_count(&self) -> usize {
        2
    }

    fn variables(&self, site: &Site) -> Vec<(&'static str, String)> {
        vec![("SHELLS", site.address(0))]
    }

    fn prepare(&self, _site: &Site) -> Result<()> {
        Ok(())
    }

    fn nodes(&self, _site: &Site) -> Result<Vec<Node>> {
        let scripts = [("first", MUTE.0), ("second", self.0)];
        let node = |(name, script): (&str, &str)| Node {
            name: name.to_owned(),
            argv: ["sh", "-c", script].map(str::to_owned).into(),
            account: None,
        };
        Ok(scripts.map(node).into())
    }

    fn check(&self, site: &Site) -> Result<()> {
        ensure!(site.folder.join("ready").exists(), "not ready yet");
        Ok(())
    }
}

/// Ends what a test that fails would leave.
struct Guard {
    folder: TempDir,
    kind: &'static Shells,
}

impl Guard {
    fn new(kind: &'static Shells) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, kind }
    }

    fn create(&self) -> Service {
        let path = self.folder.path();
        Service::new(self.kind, path, path, Engine::Native, &[]).unwrap()
    }

    fn find(&self) -> Option<Service> {
        let path = self.folder.path();
        Service::find(self.kind, path, path).unwrap()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(service) = self.find() {
            process::ask_to_end(&service.processes(), rustix::process::Signal::KILL).unwrap();
        }
    }
}

#[test]
fn a_second_up_finds_the_same_and_starts_again_only_what_has_ended() {
    let guard = Guard::new(&STEADY);
    assert!(guard.find().is_none(), "never brought up");
    let mut service = guard.create();
    assert!(!service.runs_at_all());
    assert!(service.up().unwrap(), "started");
    let before = service.processes();

    let mut again = guard.find().unwrap();
    assert!(!again.up().unwrap(), "runs already");
    assert_eq!(again.processes(), before);
    assert_eq!(again.site.ports, service.site.ports);

    process::ask_to_end(&before[1..], rustix::process::Signal::KILL).unwrap();
    process::await_end(&before[1..], END_MAX).unwrap();
    assert_eq!(again.health().unwrap(), Health::Dead(1));
    assert!(again.runs_at_all(), "the other one does");
    assert!(again.up().unwrap(), "started the dead one");
    let after = guard.find().unwrap().processes();
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
    assert_eq!(again.health().unwrap(), Health::Up);
}

#[test]
fn down_ends_all_and_removes_the_folder_unless_it_is_to_be_kept() {
    for keep in [true, false] {
        let guard = Guard::new(&STEADY);
        let mut service = guard.create();
        service.up().unwrap();
        let ports = service.site.ports.clone();
        let processes = service.processes();
        service.ask_to_end().unwrap();
        service.down(keep).unwrap();
        assert!(!processes.iter().any(Process::runs), "keep: {keep}");
        let left = guard.find().map(|service| service.site.ports);
        assert_eq!(left, keep.then_some(ports), "keep: {keep}");
    }
}

#[test]
fn a_process_that_ends_at_once_is_reported_with_its_last_words_and_takes_the_others_along() {
    let guard = Guard::new(&BRITTLE);
    let error = guard.create().up().unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.starts_with("shells did not come up: second ended after "),
        "{text}"
    );
    assert!(
        text.ends_with("the end of the log of second:\nlast words"),
        "{text}"
    );
    let left = guard.find().unwrap().processes();
    assert_eq!(left.len(), 2);
    assert!(!left.iter().any(Process::runs));
}

#[test]
fn a_service_that_runs_and_does_not_answer_is_not_up() {
    let guard = Guard::new(&MUTE);
    let mut service = guard.create();
    service.start().unwrap();
    assert_eq!(service.health().unwrap(), Health::Mute);
    let text = format!("{:#}", service.wait(Duration::ZERO).unwrap_err());
    assert!(
        text.starts_with("not ready after 0ns: not ready yet; the end of"),
        "{text}"
    );
}
