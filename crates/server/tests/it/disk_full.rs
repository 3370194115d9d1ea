//! A full disk, a real one: a small file system of its own in a mount namespace.
//!
//! Intake answers `507`, nothing acknowledged is lost, answers go on, and when there is room again
//! intake goes on by itself.

use crate::support::{DEADLINE, Launcher, Server};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The whole disk.
const DISK_MB: u64 = 96;
/// A file that is deleted to make room.
const BALLAST_MB: usize = 40;
/// What Vitrina leaves free.
const RESERVE: &str = "8388608";

/// A mount namespace with a small tmpfs at `place`; ends with the process that holds it.
struct SmallDisk {
    holder: Child,
    place: PathBuf,
}

impl SmallDisk {
    fn new(place: &Path) -> Self {
        std::fs::create_dir_all(place).unwrap();
        let mount = format!(
            "mount -t tmpfs -o size={DISK_MB}m tmpfs {0} && touch {0}/mounted && exec sleep 600",
            place.display()
        );
        let holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount])
            .stdin(Stdio::null())
            .spawn()
            .expect("unshare of util-linux");
        let disk = Self {
            holder,
            place: place.to_owned(),
        };
        let began = Instant::now();
        while !disk.seen(&place.join("mounted")).exists() {
            assert!(began.elapsed() < DEADLINE, "no mount namespace");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        disk
    }

    /// A path of the namespace as it is seen from outside.
    fn seen(&self, path: &Path) -> PathBuf {
        let root = format!("/proc/{}/root{}", self.holder.id(), path.display());
        PathBuf::from(root)
    }

    /// Runs commands inside.
    fn launcher(&self) -> Launcher {
        let pid = self.holder.id().to_string();
        let inside = [
            "nsenter",
            "--preserve-credentials",
            "--user",
            "--mount",
            "--target",
            &pid,
        ];
        Launcher {
            prefix: inside.map(str::to_owned).to_vec(),
            root: PathBuf::from(format!("/proc/{pid}/root")),
            environment: vec![("VITRINA_DISK_RESERVE_BYTES".to_owned(), RESERVE.to_owned())],
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

fn batch(number: u64) -> String {
    let lines = (number * 500..(number + 1) * 500).map(|event| {
        format!(
            "{{\"event_id\":\"e{event}\",\"event_type\":\"view\",\"user_id\":\"u{}\",\"product_id\":\"p{}\",\"context\":{{\"referrer\":\"{}\"}}}}\n",
            event % 997,
            event % 50,
            "r".repeat(200),
        )
    });
    lines.collect()
}

#[test]
fn a_full_disk_refuses_intake_keeps_what_was_acknowledged_and_recovers() {
    let place = tempfile::tempdir().unwrap();
    let disk = SmallDisk::new(&place.path().join("disk"));
    let ballast = disk.place.join("ballast");
    std::fs::write(disk.seen(&ballast), vec![1; BALLAST_MB * 1_000_000]).unwrap();
    let directory = disk.place.join("data");
    let launcher = disk.launcher();
    let server = Server::launch(&launcher, &directory, &[]);
    let send = |number: u64| {
        let body = batch(number);
        server.call_as(
            "POST",
            "/v1/events",
            "application/x-ndjson",
            body.as_bytes(),
        )
    };
    let mut next = 0;
    let refused = loop {
        let reply = send(next);
        if reply.status != 202 {
            break reply;
        }
        next += 1;
        assert!(next < 2_000, "a disk of {DISK_MB} MB never fills");
    };
    assert_eq!(refused.status, 507, "{}", refused.text());
    assert!(next > 10, "full at once");
    assert!(
        refused
            .head
            .to_lowercase()
            .contains("application/problem+json")
    );
    let answer = server.get("/v1/recommendations/u1?limit=5");
    assert!(!answer["items"].as_array().unwrap().is_empty(), "{answer}");
    std::fs::remove_file(disk.seen(&ballast)).unwrap();
    let began = Instant::now();
    while send(next).status != 202 {
        assert!(
            began.elapsed() < DEADLINE,
            "intake does not recover:\n{}",
            server.said()
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    next += 1;
    server.kill();
    let server = Server::launch(&launcher, &directory, &[]);
    server.stop();
    let found = launcher.verify(&directory);
    assert_eq!(found["differences"], 0, "{found:#}");
    assert_eq!(
        found["events"]["view"],
        next * 500,
        "acknowledged against counted"
    );
}
