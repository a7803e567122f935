// SPDX-License-Identifier: Apache-2.0
//! The loop as a whole: real scripts from a real server, beneath a scratch root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::http::scripted::{Scripted, held, raw, whole};
use crate::http::serve::Server;

/// A guest's root with a bootstrap that is switched on.
struct Guest {
    root: Root,
}

impl Guest {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("firstlight-bootstrap-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("root/bootstrap")).unwrap();
        let guest = Self { root: Root::open(&path).unwrap() };
        guest.write("root/bootstrap/start-bootstrap", "");
        guest
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    fn record(&self) -> Record {
        Record::read(&self.root).unwrap().unwrap()
    }

    fn run(&self, bootstrap: &Bootstrap) -> Conclusion {
        bootstrap.run(&self.root, false).unwrap()
    }

    /// Serves `script` and runs the loop without a pause.
    fn run_script(&self, script: &str) -> Conclusion {
        let server = serve(script);
        self.run(&from(server.url("/vm-bootstrap")))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.root.path());
    }
}

fn serve(script: &str) -> Server {
    Server::start(BTreeMap::from([("/vm-bootstrap".to_owned(), script.as_bytes().to_vec())])).unwrap()
}

fn from(url: String) -> Bootstrap {
    Bootstrap { url, interval: Duration::ZERO, ..Bootstrap::default() }
}

#[test]
fn tries_until_success_and_then_never_again() {
    let guest = Guest::new();
    let script = "echo attempt $FIRSTLIGHT_ATTEMPT of $FIRSTLIGHT_MAX_RETRY\n\
        cp retry-amount seen-$FIRSTLIGHT_ATTEMPT\n\
        [ $FIRSTLIGHT_ATTEMPT = 3 ] || exit 7\n";
    let conclusion = guest.run_script(script);
    assert_eq!(conclusion, Conclusion::Succeeded { tries: 3 });
    assert!(!conclusion.is_failure());
    // The count was on the disk while the script ran.
    assert_eq!(guest.read("root/bootstrap/seen-1"), "1\n");
    assert_eq!(guest.read("root/bootstrap/seen-3"), "3\n");
    let record = guest.record();
    let last = record.last.unwrap();
    assert_eq!((record.state, record.tries, last.number, last.exit_code), (State::Succeeded, 3, 3, Some(0)));
    assert_eq!(last.tail, ["attempt 3 of 10"]);

    let log = guest.read("var/log/vm-bootstrap.log");
    let stamped = |text: &str| log.lines().any(|line| line.split_once("Z ").is_some_and(|(_, rest)| rest == text));
    for text in [
        "attempt 1 of 10",
        "firstlight: bootstrap try 2 of 10: exit code 7",
        "firstlight: bootstrap succeeded at try 3",
    ] {
        assert!(stamped(text), "{text} in {log}");
    }
    let mode = |path: &str| guest.path(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("var/log/vm-bootstrap.log") & 0o137, 0);
    assert_eq!(mode("var/lib/firstlight/bootstrap.json"), 0o600);

    // No server any more, and none is asked. Not even a lost count makes it run again.
    fs::remove_file(guest.path("root/bootstrap/retry-amount")).unwrap();
    let again = guest.run(&from("http://127.0.0.1:9/".to_owned()));
    assert_eq!(again, Conclusion::AlreadySucceeded { tries: 3 });
}

#[test]
fn gives_up_after_the_limit_over_all_starts() {
    let guest = Guest::new();
    guest.write("root/bootstrap/retry-amount", "8");
    let conclusion = guest.run_script("exit 3");
    assert_eq!(conclusion.to_string(), "bootstrap gave up after 10 tries (last: exit code 3)");
    assert!(conclusion.is_failure());
    let tries = |log: &str| log.matches("the script starts").count();
    assert_eq!(tries(&guest.read("var/log/vm-bootstrap.log")), 2);

    assert_eq!(guest.run_script("exit 0"), conclusion);
    assert_eq!(tries(&guest.read("var/log/vm-bootstrap.log")), 2);
    // More tries are granted: it goes on where it was.
    guest.write("root/bootstrap/bootstrap-max-retry", "12\n");
    assert_eq!(guest.run_script("exit 0"), Conclusion::Succeeded { tries: 11 });
}

#[test]
fn the_limit_of_the_settings_counts_where_no_file_says_another() {
    let guest = Guest::new();
    let server = serve("exit 3");
    let bootstrap = Bootstrap { max_retry: 2, ..from(server.url("/vm-bootstrap")) };
    assert!(matches!(guest.run(&bootstrap), Conclusion::GaveUp { tries: 2, .. }));
    assert!(!bootstrap.is_due(&guest.root).unwrap());
    guest.write("root/bootstrap/bootstrap-max-retry", "3\n");
    assert!(bootstrap.is_due(&guest.root).unwrap());
    assert!(matches!(guest.run(&bootstrap), Conclusion::GaveUp { tries: 3, .. }));
}

#[test]
fn the_script_may_change_the_limit_and_switch_itself_off() {
    let guest = Guest::new();
    let conclusion = guest.run_script("echo 4 >bootstrap-max-retry; exit 1");
    assert!(matches!(conclusion, Conclusion::GaveUp { tries: 4, .. }), "{conclusion}");

    let guest = Guest::new();
    let conclusion = guest.run_script("[ $FIRSTLIGHT_ATTEMPT = 2 ] && rm start-bootstrap; exit 1");
    assert_eq!(conclusion.to_string(), "bootstrap is disabled after 2 tries: no /root/bootstrap/start-bootstrap");
    assert!(!conclusion.is_failure());
    assert_eq!(guest.record().state, State::Disabled);
    guest.write("root/bootstrap/start-bootstrap", "");
    assert_eq!(guest.run_script("exit 0"), Conclusion::Succeeded { tries: 3 });
}

#[test]
fn without_the_switch_nothing_is_run_or_counted() {
    let guest = Guest::new();
    fs::remove_file(guest.path("root/bootstrap/start-bootstrap")).unwrap();
    let conclusion = guest.run_script("touch ran");
    assert_eq!(conclusion.to_string(), "bootstrap is disabled: no /root/bootstrap/start-bootstrap");
    assert!(!guest.path("root/bootstrap/ran").exists());
    assert!(!guest.path("root/bootstrap/retry-amount").exists());
    assert!(!guest.path("var/log").exists());
}

#[test]
fn what_is_no_script_is_a_failed_try_that_says_why_and_runs_nothing() {
    let script = "touch ran";
    let bad = vec![
        whole("404 Not Found", "", ""),
        whole("500 Internal Server Error", "", script),
        whole("200 OK", "", ""),
        whole("200 OK", "Content-Type: text/html\r\n", script),
        whole("200 OK", "", "<!DOCTYPE html><p>Please log in"),
        raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{script}")),
        raw(""),
    ];
    let guest = Guest::new();
    guest.write("root/bootstrap/bootstrap-max-retry", &(bad.len() + 1).to_string());
    let url = Scripted::start(bad).url("/s");
    let conclusion = guest.run(&from(url));
    assert!(matches!(conclusion, Conclusion::GaveUp { tries: 8, .. }), "{conclusion}");
    assert!(!guest.path("root/bootstrap/ran").exists());
    let log = guest.read("var/log/vm-bootstrap.log");
    for reason in [
        "404",
        "500",
        "script is empty",
        "HTML page",
        "got only 9 of 1000 bytes",
        "connection closed",
        "Connection refused",
    ] {
        assert!(log.contains(reason), "{reason} in {log}");
    }
}

#[test]
fn a_server_that_keeps_the_connection_open_does_not_hold_the_script() {
    let guest = Guest::new();
    let url = Scripted::start(vec![held("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nexit 0")]).url("/s");
    assert_eq!(guest.run(&from(url)), Conclusion::Succeeded { tries: 1 });
}

#[test]
fn digest_and_signature_stand_before_the_script() {
    let script = include_str!("../../tests/fixtures/bootstrap/script");
    let signature = include_str!("../../tests/fixtures/bootstrap/script.minisig");
    let files = [("/s", script), ("/s.minisig", signature), ("/changed", "touch ran"), ("/changed.minisig", signature)];
    let server =
        Server::start(files.into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect());
    let server = server.unwrap();
    let sealed = |path: &str| Bootstrap {
        sha256: Some(include_str!("../../tests/fixtures/bootstrap/SHA256SUMS")[..64].to_owned()),
        public_key: Some(include_str!("../../tests/fixtures/bootstrap/minisign.pub").to_owned()),
        ..from(server.url(path))
    };
    let guest = Guest::new();
    guest.write("root/bootstrap/bootstrap-max-retry", "2");
    for bootstrap in [sealed("/changed"), Bootstrap { sha256: None, ..sealed("/changed") }] {
        let conclusion = bootstrap.run(&guest.root, true).unwrap();
        assert!(conclusion.is_failure(), "{conclusion}");
    }
    assert!(!guest.path("root/bootstrap/ran").exists());
    let log = guest.read("var/log/vm-bootstrap.log");
    assert!(log.contains("SHA-256 is") && log.contains("signature is wrong"), "{log}");

    guest.write("root/bootstrap/bootstrap-max-retry", "3");
    assert_eq!(guest.run(&sealed("/s")), Conclusion::Succeeded { tries: 3 });
    assert_eq!(guest.record().last.unwrap().tail, ["signed and run at try 3"]);

    let wrong = Bootstrap { sha256: Some("abc".to_owned()), ..sealed("/s") };
    assert!(wrong.run(&Guest::new().root, true).is_err());
}

#[test]
fn once_is_one_try() {
    let guest = Guest::new();
    let server = serve("exit 5");
    let conclusion = from(server.url("/vm-bootstrap")).run(&guest.root, true).unwrap();
    assert_eq!(conclusion.to_string(), "bootstrap failed at try 1 of 10 (exit code 5)");
    assert_eq!((guest.record().state, guest.read("root/bootstrap/retry-amount").as_str()), (State::Waiting, "1\n"));
}

#[test]
fn garbage_in_the_counters_neither_stops_nor_frees_the_loop() {
    let guest = Guest::new();
    guest.write("root/bootstrap/bootstrap-max-retry", "many");
    let conclusion = guest.run_script("echo ten >retry-amount; exit 1");
    assert!(matches!(conclusion, Conclusion::GaveUp { tries: 10, .. }), "{conclusion}");
}

#[test]
fn a_damaged_record_runs_nothing() {
    let guest = Guest::new();
    guest.write("var/lib/firstlight/bootstrap.json", "{\"state\": \"succee");
    let error = from("http://127.0.0.1:9/".to_owned()).run(&guest.root, false).unwrap_err();
    assert!(error.to_string().contains("bootstrap.json is damaged"), "{error}");
    assert!(!guest.path("root/bootstrap/retry-amount").exists());
}

#[test]
fn the_script_s_surroundings_are_as_promised() {
    let guest = Guest::new();
    guest.write("run/firstlight/metadata", "FIRSTLIGHT_META_ROLE='k8s node'\nPATH='/evil'\n");
    let script = "#!/bin/sh\necho \"$FIRSTLIGHT_META_ROLE $TERM $FIRSTLIGHT_ATTEMPT/$FIRSTLIGHT_MAX_RETRY\"\npwd -P\necho $PATH\n";
    guest.run_script(script);
    let tail = guest.record().last.unwrap().tail;
    assert_eq!(tail[0], "k8s node xterm 1/10");
    assert_eq!(Path::new(&tail[1]), guest.path("root/bootstrap").canonicalize().unwrap());
    assert!(!tail[2].contains("evil"));
    let mode = guest.path("root/bootstrap/bootstrap-script").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_hung_script_ends_with_its_children_at_the_time_limit() {
    let guest = Guest::new();
    guest.write("root/bootstrap/bootstrap-max-retry", "1");
    let server = serve("sleep 300 & echo $!; wait");
    let hasty = Bootstrap { timeout: Some(Duration::from_millis(500)), ..from(server.url("/vm-bootstrap")) };
    let conclusion = guest.run(&hasty);
    assert_eq!(conclusion.to_string(), "bootstrap gave up after 1 try (last: ended after its time limit)");
    let child = guest.record().last.unwrap().tail[0].clone();
    let state = || fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    let gone = || !state().contains("(sleep) S");
    assert!(
        (0..100).any(|_| gone() || {
            std::thread::sleep(Duration::from_millis(20));
            false
        }),
        "{}",
        state()
    );
}

#[test]
fn there_is_one_loop_at_a_time() {
    let guest = Guest::new();
    let held = lock::take(&guest.root).unwrap();
    let error = from("http://127.0.0.1:9/".to_owned()).run(&guest.root, false).unwrap_err().to_string();
    assert!(error.contains(&format!("another bootstrap is at work (process {})", std::process::id())), "{error}");
    drop(held);
    // The file stays; only a holder counts.
    assert_eq!(guest.run_script("exit 0"), Conclusion::Succeeded { tries: 1 });
}
