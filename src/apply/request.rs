// SPDX-License-Identifier: Apache-2.0
//! Making a request of a step, and turning its answer into what is left to do.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::apply::interrupt::Interrupt;
use crate::error::{Error, Result};
use crate::http::{self, Client};
use crate::plan::action::{Action, AuthorizedKeys, Write};
use crate::plan::request::{Field, Purpose, Request};
use crate::public_key::PublicKey;
use crate::root::{READ_LIMIT, Root, Tree as _};

/// More keys than anybody has, and the answer to a report.
const SMALL: u64 = 1 << 20;
/// For one try, so that a server that takes the connection and says nothing does not take the others' time too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the request: the action that its answer asks for; none where it was a report.
///
/// # Errors
/// No answer in all its tries, or one that can't be used; for a file that has something to fall back on, that is a
/// `warning`.
pub fn make(request: &Request, root: &Root, warning: &mut Option<String>) -> Result<Option<Action>> {
    Ok(match &request.purpose {
        Purpose::File { write, fallback } => {
            let content = match answer(request, None, READ_LIMIT) {
                Ok(body) => body,
                Err(error) if *fallback => {
                    let told = format!("{}; {} gets its `content`", error.without_advice(), write.path.display());
                    log::warn!("{told}");
                    *warning = Some(told);
                    write.content.clone()
                }
                Err(error) => return Err(error),
            };
            Some(Action::Write(Write { content, ..write.clone() }))
        }
        Purpose::Keys { user, mark } => {
            let keys = keys(&answer(request, None, SMALL)?, mark);
            if keys.is_empty() {
                return Err(Error::absent(format!("{} has no public key", request.shown_url()))
                    .help("who is named there must have uploaded one"));
            }
            Some(Action::AuthorizedKeys(AuthorizedKeys { user: user.clone(), keys }))
        }
        Purpose::Report(fields) => {
            let values: Vec<(&str, String)> =
                fields.iter().map(|(name, field)| Ok((name.as_str(), value(field, root)?))).collect::<Result<_>>()?;
            let form = http::form(values.iter().map(|(name, value)| (*name, value.as_str())))?;
            answer(request, Some(&form), SMALL)?;
            None
        }
    })
}

fn answer(request: &Request, form: Option<&str>, limit: u64) -> Result<Vec<u8>> {
    let client = Client::files();
    let deadline = Instant::now() + request.limit;
    let method = form.map_or(http::Method::Get, http::Method::Post);
    let asked = http::Request { url: &request.url, headers: &request.headers, method };
    let ask = || client.ask(&asked, limit, deadline.min(Instant::now() + PATIENCE));
    let interrupt = Interrupt::watch()?;
    Ok(http::retry(request.tries, deadline, |pause| interrupt.sleep(pause), ask)?.body)
}

/// The lines that are keys, as `ssh-import-id` marks them. Options are not taken from a server: they can name a program.
fn keys(body: &[u8], mark: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let good = text.lines().filter(|line| PublicKey::parse(line).is_some_and(|key| key.options.is_empty()));
    good.map(|line| format!("{} # ssh-import-id {mark}", line.trim())).collect()
}

fn value(field: &Field, root: &Root) -> Result<String> {
    match field {
        Field::Text(text) => Ok(text.clone()),
        Field::File(path) => Ok(root.read_text(Path::new(path))?.unwrap_or_else(|| "N/A".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::scripted::{Scripted, raw, whole};
    use crate::scratch::Scratch;

    fn request(url: String, purpose: Purpose) -> Request {
        Request { url, headers: Vec::new(), tries: 3, limit: Duration::from_secs(10), purpose }
    }

    fn written(url: String, fallback: bool, warning: &mut Option<String>) -> Result<Vec<u8>> {
        let write = Write { append: true, ..Write::new("/etc/x", "own").mode(0o600) };
        match make(&request(url, Purpose::File { write, fallback }), &Scratch::new().root(), warning)? {
            Some(Action::Write(write)) if write.append && write.mode == 0o600 => Ok(write.content),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_gets_the_body_and_its_own_content_only_where_no_answer_comes() {
        let busy = || whole("503 Service Unavailable", "", "sorry");
        let server = Scripted::start(vec![
            busy(),
            raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"),
            whole("200 OK", "", "body\0"),
        ]);
        let mut warning = None;
        assert_eq!(written(server.url("/a"), true, &mut warning).unwrap(), b"body\0");
        assert_eq!(warning, None);
        let server = Scripted::start(vec![busy(), busy(), busy()]);
        assert_eq!(written(server.url("/a"), true, &mut warning).unwrap(), b"own");
        assert!(warning.unwrap().ends_with("503 Service Unavailable; /etc/x gets its `content`"));
        let server = Scripted::start(vec![whole("404 Not Found", "", "")]);
        let error = written(server.url("/a?token=secret"), false, &mut None).unwrap_err().to_string();
        assert!(error.contains("404") && !error.contains("secret"), "{error}");
    }

    // ssh-keygen -t ed25519 -C one@example.
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHjp+E0F3iw14xdX9VkA+BGOiRydt4RC84W3+iJB+P7 one@example";

    #[test]
    fn only_plain_keys_are_taken_from_a_key_server() {
        let body = format!("<html>\n{KEY}\r\ncommand=\"reboot\" {KEY}\nssh-rsa AAAA\n");
        let asks = |body: &str| {
            let server = Scripted::start(vec![whole("200 OK", "", body)]);
            let purpose = Purpose::Keys { user: "ops".into(), mark: "gh:octo".into() };
            make(&request(server.url("/octo.keys"), purpose), &Scratch::new().root(), &mut None)
        };
        let Some(Action::AuthorizedKeys(added)) = asks(&body).unwrap() else { panic!() };
        assert_eq!((added.user.as_str(), added.keys), ("ops", vec![format!("{KEY} # ssh-import-id gh:octo")]));
        assert!(asks("").unwrap_err().is_absent());
    }

    #[test]
    fn a_report_says_what_is_there_when_it_is_sent() {
        let scratch = Scratch::new();
        scratch.file("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AA+A root\n");
        let server = Scripted::start(vec![whole("200 OK", "", "thank you")]);
        let file = |name: &str| Field::File(format!("/etc/ssh/ssh_host_{name}_key.pub").into());
        let fields = vec![
            ("pub_key_ed25519".to_owned(), file("ed25519")),
            ("pub_key_rsa".to_owned(), file("rsa")),
            ("hostname".to_owned(), Field::Text("vm 1".to_owned())),
        ];
        let report = request(server.url("/i-1"), Purpose::Report(fields));
        assert!(make(&report, &scratch.root(), &mut None).unwrap().is_none());
        let body = server.requests().remove(0);
        let expected = "pub_key_ed25519=ssh-ed25519+AA%2BA+root%0A&pub_key_rsa=N%2FA&hostname=vm+1";
        assert!(body.starts_with("POST /i-1") && body.ends_with(expected), "{body}");
    }
}
