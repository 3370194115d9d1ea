//! A real server process and the plainest possible HTTP client, for black-box tests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Where and how the binary runs: as it is, or inside a namespace.
#[derive(Default)]
pub(crate) struct Launcher {
    /// Command that runs the binary, empty for none.
    pub(crate) prefix: Vec<String>,
    /// The root directory it sees, as seen from here.
    pub(crate) root: PathBuf,
    /// Further environment variables.
    pub(crate) environment: Vec<(String, String)>,
}

impl Launcher {
    fn command(&self) -> Command {
        let binary = env!("CARGO_BIN_EXE_vitrina");
        let mut command = match self.prefix.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command.stdin(Stdio::null()).envs(environment);
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().expect("the binary runs")
    }

    /// A path as it is seen from here.
    fn seen(&self, path: &Path) -> PathBuf {
        if self.prefix.is_empty() {
            return path.to_owned();
        }
        PathBuf::from(format!("{}{}", self.root.display(), path.display()))
    }

    /// `vitrina replay --verify --json`: everything recomputed from the log.
    pub(crate) fn verify(&self, directory: &Path) -> serde_json::Value {
        let output = self
            .command()
            .args(["replay", "--verify", "--json", "--data-dir"])
            .arg(directory)
            .output()
            .expect("the binary runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let found = serde_json::from_str(&stdout);
        found.unwrap_or_else(|e| panic!("{e}\nstdout: {stdout}\nstderr: {stderr}"))
    }
}

/// Runs the binary to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    Launcher::default().run(args)
}

/// A running `vitrina serve`.
pub(crate) struct Server {
    child: Child,
    /// `127.0.0.1:port`.
    pub(crate) host: String,
    /// Where its standard error goes.
    pub(crate) log: PathBuf,
}

impl Server {
    /// Starts a server on `directory` and waits until it is ready.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    /// The same with further arguments.
    pub(crate) fn start_with(directory: &Path, more: &[&str]) -> Self {
        Self::launch(&Launcher::default(), directory, more)
    }

    /// The same somewhere else.
    pub(crate) fn launch(launcher: &Launcher, directory: &Path, more: &[&str]) -> Self {
        let address = directory.with_extension("address");
        let log = launcher.seen(&directory.with_extension("log"));
        drop(std::fs::remove_file(launcher.seen(&address)));
        let stderr = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("log file");
        let child = launcher
            .command()
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory)
            .arg("--addr-file")
            .arg(&address)
            .args(more)
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the server starts");
        let mut server = Self {
            child,
            host: String::new(),
            log,
        };
        let began = Instant::now();
        loop {
            if let Ok(url) = std::fs::read_to_string(launcher.seen(&address))
                && let Some(host) = url.trim().strip_prefix("http://")
            {
                server.host = host.to_owned();
                return server;
            }
            if let Some(status) = server.child.try_wait().expect("child") {
                panic!("server ended with {status}:\n{}", server.said());
            }
            assert!(began.elapsed() < DEADLINE, "not ready:\n{}", server.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it wrote to its log.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process.
    #[cfg(feature = "cluster")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no warning, no goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// SIGTERM, as an operator stops it; it must end cleanly.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("kill runs").success());
        let status = self.child.wait().expect("wait");
        assert!(status.success(), "ended with {status}:\n{}", self.said());
    }

    /// One request on a connection of its own.
    pub(crate) fn call(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        self.call_as(method, path, "application/json", body)
    }

    /// The same with a content type.
    pub(crate) fn call_as(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Reply {
        exchange(&self.host, method, path, content_type, body).expect("the server answers")
    }

    /// `GET` that must answer 200 with JSON.
    pub(crate) fn get(&self, path: &str) -> serde_json::Value {
        let reply = self.call("GET", path, b"");
        assert_eq!(reply.status, 200, "GET {path}: {}", reply.text());
        reply.json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Status code.
    pub(crate) status: u16,
    /// Header block, as sent.
    pub(crate) head: String,
    /// Body.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// One request, one whole answer, or the error of a server that went away.
pub(crate) fn exchange(
    host: &str,
    method: &str,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let gone = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "cut answer");
    let end = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .ok_or_else(gone)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .ok_or_else(gone)?;
    let mut body = bytes[end + 4..].to_vec();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    if length.is_some_and(|length| body.len() < length) {
        return Err(gone());
    }
    if head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        body = unchunk(&body).ok_or_else(gone)?;
    }
    Ok(Reply { status, head, body })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let size =
            usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?.trim(), 16).ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

/// `vitrina replay --verify --json`: everything recomputed from the log.
pub(crate) fn verify(directory: &Path) -> serde_json::Value {
    Launcher::default().verify(directory)
}
