//! The port's suite on a folder, and what is particular here: torn puts, kills, URLs.

use super::*;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use vitrina_ports::suite::{Durable, Subject, block_on};
use vitrina_ports::{Blame, Retry};

fn open(dir: &Path) -> Result<SnapshotFolder, PortError> {
    SnapshotFolder::open(&format!("file:{}/snapshots", dir.display()))
}

fn subject() -> impl Subject<Port = SnapshotFolder> {
    let dir = tempfile::tempdir().unwrap();
    Durable(move || open(dir.path()), |_: &SnapshotFolder| Ok(()))
}

vitrina_ports::snapshot_store_suite!(subject());

/// Every file below a folder, as a path within it, sorted.
fn files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let path = path.strip_prefix(root).unwrap();
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort_unstable();
    found
}

/// What a crash leaves between the write and the link, and the files of others.
#[test]
fn a_torn_put_leaves_nothing_visible_and_can_be_repeated() {
    block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        store
            .put("models/1/items", Bytes::from("whole"))
            .await
            .unwrap();
        let folder = dir.path().join("snapshots");
        assert_eq!(files(&folder), ["models/1/items"], "nothing beside it");
        for (name, text) in [
            ("models/2#1", "ha"),
            ("models/1/users#1", ""),
            ("NOTES.txt", "x"),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        let store = open(dir.path()).unwrap();
        let listed = store.list("").await.unwrap();
        assert_eq!(listed.len(), 1, "{listed:?}");
        for path in ["models/2", "models/1/users"] {
            assert_eq!(store.get(path).await.unwrap(), None, "{path}");
            assert!(!store.delete(path).await.unwrap(), "{path}");
            store.put(path, Bytes::from("half and half")).await.unwrap();
            let found = store.get(path).await.unwrap();
            assert_eq!(found, Some(Bytes::from("half and half")), "{path}");
        }
        assert_eq!(store.list("models").await.unwrap().len(), 3);
    });
}

const DIR_VARIABLE: &str = "VITRINA_TEST_SNAPSHOTS_KILL_DIR";
const OBJECT_BYTES: usize = 4 * 1_024 * 1_024;

/// The object of a number: every byte says which it is.
fn object(number: u64) -> Bytes {
    let words = (0..OBJECT_BYTES as u64 / 8).map(|n| (n ^ number << 32).to_le_bytes());
    words.flatten().collect::<Vec<u8>>().into()
}

/// Runs until it is killed; does nothing unless it is told where.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR_VARIABLE) else {
        return;
    };
    let store = open(Path::new(&dir)).unwrap();
    block_on(async {
        let first = store.list("").await.unwrap().len() as u64;
        for number in first.. {
            let path = format!("models/{number}/items");
            store.put(&path, object(number)).await.unwrap();
            println!("{number}");
            std::io::stdout().flush().unwrap();
        }
    });
}

fn run_and_kill(dir: &TempDir, puts: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::child", "--nocapture"])
        .env(DIR_VARIABLE, dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut acknowledged, mut first) = (0, None);
    for line in lines {
        let Ok(number) = line.unwrap().parse::<u64>() else {
            continue;
        };
        acknowledged = number + 1;
        if number >= *first.get_or_insert(number) + puts {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    acknowledged
}

#[test]
fn a_killed_process_leaves_whole_objects_and_every_acknowledged_one() {
    let dir = tempfile::tempdir().unwrap();
    for puts in [2, 3, 1] {
        let acknowledged = run_and_kill(&dir, puts);
        block_on(async {
            let store = open(dir.path()).unwrap();
            let listed = store.list("models").await.unwrap();
            assert!(listed.len() as u64 >= acknowledged, "{listed:?}");
            for number in 0..listed.len() as u64 {
                let path = format!("models/{number}/items");
                let found = store.get(&path).await.unwrap();
                assert!(found.is_some_and(|found| found == object(number)), "{path}");
            }
        });
    }
}

#[test]
fn url_cases() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().display();
    let folders = [
        format!("file:{root}/one"),
        format!("file://{root}/two"),
        format!("file:{root}/not made/yet %20"),
    ];
    for url in folders {
        assert!(SnapshotFolder::open(&url).is_ok(), "{url}");
    }
    assert!(dir.path().join("not made/yet %20").is_dir(), "as it is");
    for url in [
        "",
        "snapshots",
        "file:",
        "file://host/folder",
        "ftp://host/a",
        "memory:",
    ] {
        let Err(error) = SnapshotFolder::open(url) else {
            panic!("{url} is taken");
        };
        assert!(matches!(error, PortError::Invalid { .. }), "{error:?}");
        assert_eq!(
            (error.blame(), error.retry()),
            (Blame::Caller, Retry::Never)
        );
    }
    fs::write(dir.path().join("file"), "no folder").unwrap();
    let taken = SnapshotFolder::open(&format!("file:{root}/file"));
    assert!(matches!(taken.err(), Some(PortError::Unavailable { .. })));
}

#[cfg(not(feature = "cloud"))]
#[test]
fn a_cloud_that_was_not_built_says_what_to_build() {
    for url in ["s3://bucket/a", "gs://bucket", "az://secret@account/a"] {
        let Err(error) = SnapshotFolder::open(url) else {
            panic!("{url} is taken");
        };
        let text = error.to_string();
        assert!(text.contains("feature `cloud`"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[cfg(feature = "cloud")]
#[test]
fn a_cloud_that_was_built_is_opened_without_being_asked() {
    for url in ["s3://bucket/a", "az://container@account/a"] {
        let opened = SnapshotFolder::open(url);
        assert!(opened.is_ok(), "{url}: {:?}", opened.err());
    }
}
