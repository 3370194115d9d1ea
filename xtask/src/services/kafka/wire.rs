//! Asking a broker which brokers it knows, in Kafka's own protocol.
//!
//! A broker that answers has joined its cluster and serves clients; an open port says neither.
//! Only what the question needs is here: no other message, no version but the one we ask in.

use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One answer; a starting broker rather refuses than waits.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Longest answer we read: we ask for no topics.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Most brokers that an answer of that length can name.
const BROKERS_MAX: usize = 1_000;

/// Name under which we ask.
const CLIENT: &str = "vitrina-services";

// Messages, each with the one version we speak.
const METADATA: (i16, i16) = (3, 1);
const SASL_HANDSHAKE: (i16, i16) = (17, 1);
const SASL_AUTHENTICATE: (i16, i16) = (36, 0);

/// How many brokers the one at `address` knows; with user and password by SASL PLAIN.
///
/// # Errors
/// When it does not answer, or not let us in.
pub(super) fn brokers(address: &str, login: Option<(&str, &str)>) -> Result<usize> {
    let at: SocketAddr = address.parse()?;
    let mut stream = TcpStream::connect_timeout(&at, ANSWER_MAX)
        .with_context(|| format!("{address} does not accept connections"))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    talk(&mut stream, login).with_context(|| format!("{address} does not say its brokers"))
}

fn talk(stream: &mut (impl Read + Write), login: Option<(&str, &str)>) -> Result<usize> {
    if let Some((user, password)) = login {
        let mut body = Vec::new();
        put_string(&mut body, "PLAIN")?;
        let said = ask(stream, SASL_HANDSHAKE, &body)?;
        refuse(Reader(&said).int16()?, "the mechanism PLAIN")?;
        // Who acts, who is acted for, the password.
        let token = format!("\0{user}\0{password}");
        let mut body = i32::try_from(token.len())?.to_be_bytes().to_vec();
        body.extend(token.bytes());
        let said = ask(stream, SASL_AUTHENTICATE, &body)?;
        refuse(Reader(&said).int16()?, user)?;
    }
    // A list of no topics: since version 1 that is none, not all.
    let said = ask(stream, METADATA, &0_i32.to_be_bytes())?;
    count(&said)
}

/// The brokers of an answer, checked to be whole entries.
fn count(metadata: &[u8]) -> Result<usize> {
    let mut reader = Reader(metadata);
    let count = usize::try_from(reader.int32()?)?;
    ensure!(count <= BROKERS_MAX, "{count} brokers");
    for _ in 0..count {
        let _id = reader.int32()?;
        reader.string()?;
        let _port = reader.int32()?;
        let _rack = reader.string()?;
    }
    Ok(count)
}

fn refuse(code: i16, what: &str) -> Result<()> {
    ensure!(code == 0, "refuses {what} with error {code}");
    Ok(())
}

/// Sends one message and gives the body of the answer.
fn ask(
    stream: &mut (impl Read + Write),
    (key, version): (i16, i16),
    body: &[u8],
) -> Result<Vec<u8>> {
    // We ask one thing at a time, so the message may be its own number.
    let number = i32::from(key);
    let mut message = Vec::new();
    message.extend(key.to_be_bytes());
    message.extend(version.to_be_bytes());
    message.extend(number.to_be_bytes());
    put_string(&mut message, CLIENT)?;
    message.extend(body);
    let mut whole = i32::try_from(message.len())?.to_be_bytes().to_vec();
    whole.append(&mut message);
    stream.write_all(&whole)?;

    let mut length = [0; 4];
    stream.read_exact(&mut length).context("no answer")?;
    let length = usize::try_from(i32::from_be_bytes(length))?;
    ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).context("half an answer")?;
    let mut reader = Reader(&answer);
    let answers = reader.int32()?;
    if answers != number {
        bail!("an answer to {answers}, not to {number}");
    }
    Ok(reader.0.to_vec())
}

fn put_string(out: &mut Vec<u8>, text: &str) -> Result<()> {
    out.extend(i16::try_from(text.len())?.to_be_bytes());
    out.extend(text.bytes());
    Ok(())
}

/// What is left of an answer.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).context("a cut answer")?;
        self.0 = rest;
        Ok(taken)
    }

    fn int16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    fn int32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    /// A string, or none.
    fn string(&mut self) -> Result<Option<&'a [u8]>> {
        match self.int16()? {
            -1 => Ok(None),
            length => Ok(Some(self.take(usize::try_from(length)?)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what was prepared, keeps what is written.
    struct Script {
        answers: std::io::Cursor<Vec<u8>>,
        asked: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.answers.read(out)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.asked.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn script(answers: &[&[u8]]) -> Script {
        let mut bytes = Vec::new();
        for answer in answers {
            bytes.extend(u32::try_from(answer.len()).unwrap().to_be_bytes());
            bytes.extend(*answer);
        }
        Script {
            answers: std::io::Cursor::new(bytes),
            asked: Vec::new(),
        }
    }

    /// Two brokers as the protocol's description has them: number, then id, host, port, rack.
    const TWO: &[u8] = b"\0\0\0\x03\0\0\0\x02\
        \0\0\0\x01\0\x01a\0\0\x23\x84\xff\xff\
        \0\0\0\x02\0\x01b\0\0\x23\x85\0\x01r\
        \0\0\0\x01\0\0\0\0";

    #[test]
    fn answers_are_counted_or_refused() {
        let mut other_number = TWO.to_vec();
        other_number[3] = 4;
        #[rustfmt::skip]
        let cases: [(&str, &[u8], Option<usize>); 4] = [
            ("two brokers",  TWO,                              Some(2)),
            ("none yet",     b"\0\0\0\x03\0\0\0\0",            Some(0)),
            ("cut",          &TWO[..20],                       None),
            ("other number", &other_number,                    None),
        ];
        for (name, answer, want) in cases {
            let have = talk(&mut script(&[answer]), None);
            assert_eq!(have.as_ref().ok(), want.as_ref(), "{name}: {have:?}");
        }
        assert!(talk(&mut script(&[]), None).is_err(), "hung up");
        let mut endless = script(&[]);
        endless.answers = std::io::Cursor::new(vec![0x7f; 8]);
        let error = talk(&mut endless, None).unwrap_err().to_string();
        assert_eq!(error, format!("an answer of {} bytes", 0x7f7f_7f7f));
        let many = talk(&mut script(&[b"\0\0\0\x03\0\0\x10\0"]), None);
        assert_eq!(many.unwrap_err().to_string(), "4096 brokers");
    }

    #[test]
    fn the_question_is_as_the_protocol_has_it() {
        let mut stream = script(&[TWO]);
        talk(&mut stream, None).unwrap();
        let want = b"\0\0\0\x1e\0\x03\0\x01\0\0\0\x03\0\x10vitrina-services\0\0\0\0";
        assert_eq!(stream.asked, want);
    }

    #[test]
    fn a_login_comes_first_and_may_be_refused() {
        let handshake = b"\0\0\0\x11\0\0\0\0\0\x01\0\x05PLAIN";
        let welcome = b"\0\0\0\x24\0\0\xff\xff\0\0\0\0";
        let refusal = b"\0\0\0\x24\0\x3a\xff\xff\0\0\0\0";
        let login = Some(("user", "password"));
        let mut stream = script(&[handshake, welcome, TWO]);
        assert_eq!(talk(&mut stream, login).unwrap(), 2);
        let token = b"\0\0\0\x0e\0user\0password";
        assert!(stream.asked.windows(token.len()).any(|part| part == token));
        let error = talk(&mut script(&[handshake, refusal]), login).unwrap_err();
        assert_eq!(error.to_string(), "refuses user with error 58");
    }
}
