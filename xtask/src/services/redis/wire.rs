//! Asking a Redis server one thing, in the protocol RESP2.

use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One answer; nothing we ask for takes a server that long.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Longest answer we read: what a node says of its cluster has about 1 kB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A field of an answer of lines `name:value`.
pub(super) fn field<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    said.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// The answer of a server to one command.
pub(super) fn ask(address: &str, command: &str) -> Result<String> {
    let address: SocketAddr = address.parse()?;
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX)
        .with_context(|| format!("{address} does not accept connections"))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    answer(&mut BufReader::new(stream.take(ANSWER_BYTES_MAX as u64)))
        .with_context(|| format!("{address} does not answer {command}"))
}

/// One answer of the protocol RESP2: a simple string, an error or a bulk string.
fn answer(from: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let (sign, rest) = line.trim_end().split_at_checked(1).context("nothing")?;
    match sign {
        "+" => Ok(rest.to_owned()),
        "$" => {
            let length: usize = rest.parse().context("not a length")?;
            ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
            let mut bulk = vec![0; length];
            from.read_exact(&mut bulk)?;
            Ok(String::from_utf8_lossy(&bulk).into_owned())
        }
        _ => bail!("{}", line.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_cases() {
        #[rustfmt::skip]
        let cases: [(&str, &str, Option<&str>); 7] = [
            ("simple",       "+PONG\r\n",                Some("PONG")),
            ("bulk",         "$4\r\na:\r\n\r\n",         Some("a:\r\n")),
            ("error",        "-LOADING not yet\r\n",     None),
            ("nothing",      "",                         None),
            ("cut",          "$9\r\nab",                 None),
            ("no length",    "$-1\r\n",                  None),
            ("too long",     "$9999999\r\n",             None),
        ];
        for (name, text, want) in cases {
            let have = answer(&mut text.as_bytes());
            assert_eq!(have.ok().as_deref(), want, "{name}");
        }
        let error = answer(&mut "$9999999\r\n".as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "an answer of 9999999 bytes");
    }
}
