// SPDX-License-Identifier: Apache-2.0
//! The agent killed and told to end at any moment: nothing is left half-done, and nothing is done twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // a test's panic is its verdict

mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use tree::{Entry, fresh, snapshot};

const PROGRAM: &str = env!("CARGO_BIN_EXE_firstlight");
/// How often the agent is killed, each time a little later.
const KILLS: u32 = 30;

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn start(seed: &Path, root: &Path) -> Child {
    quiet(PROGRAM).arg("run").arg("--source").arg(seed).arg("--root").arg(root).spawn().unwrap()
}

/// What the agent left, without what differs from one run to another: its reports and, in the journal, what was begun
/// again.
fn left(root: &Path) -> BTreeMap<String, Entry> {
    let mut entries = snapshot(root);
    entries.retain(|path, _| !path.starts_with("run/firstlight") && !path.starts_with("var/log/firstlight"));
    for (path, entry) in &mut entries {
        if let (true, Entry::File { content, .. }) = (path.ends_with("/journal"), entry) {
            content.clear();
        }
    }
    entries
}

/// Files under their own name that are neither as they were nor whole: all that are changed end with a line's end.
fn halves<'a>(
    found: &'a BTreeMap<String, Entry>,
    before: &BTreeMap<String, Entry>,
    whole: &BTreeMap<String, Entry>,
) -> Vec<&'a str> {
    let lines = |entry: &Entry| matches!(entry, Entry::File { content, .. } if content.ends_with(b"\n"));
    let half = |(path, entry): &(&'a String, &Entry)| {
        before.get(*path) != Some(*entry) && whole.get(*path).is_some_and(lines) && !lines(entry)
    };
    found.iter().filter(half).map(|(path, _)| path.as_str()).collect()
}

#[test]
fn a_run_that_was_killed_at_any_moment_is_finished_by_the_next() {
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/reference-seed/seed");
    let undisturbed = || {
        let root = tempfile::tempdir().unwrap();
        fresh("debian", root.path());
        let (before, started) = (left(root.path()), Instant::now());
        assert_eq!(start(&seed, root.path()).wait().unwrap().code(), Some(0));
        (started.elapsed(), before, left(root.path()))
    };
    let (length, before, expected) = undisturbed();
    // The first one may have waited for the program to be read from the disk.
    let length = length.min(undisturbed().0).min(undisturbed().0);

    let mut killed = 0;
    for kill in 0..KILLS {
        let root = tempfile::tempdir().unwrap();
        fresh("debian", root.path());
        let mut agent = start(&seed, root.path());
        let delay = length * kill / KILLS;
        sleep(delay);
        agent.kill().unwrap();
        killed += u32::from(agent.wait().unwrap().code().is_none());

        let between = left(root.path());
        let halves = halves(&between, &before, &expected);
        assert!(halves.is_empty(), "killed after {delay:?}: {halves:?}");

        assert_eq!(start(&seed, root.path()).wait().unwrap().code(), Some(0), "after {delay:?}");
        let found = left(root.path());
        let differs = |path: &&String| expected.get(*path) != found.get(*path);
        let different: Vec<&String> = expected.keys().chain(found.keys()).filter(differs).collect();
        assert!(different.is_empty(), "killed after {delay:?}: {different:?}");
        let reports: Vec<String> = snapshot(&root.path().join("run")).into_keys().collect();
        assert!(!reports.iter().any(|name| name.ends_with(".new")), "killed after {delay:?}: {reports:?}");
    }
    assert!(killed >= KILLS / 4, "only {killed} of {KILLS} runs were really killed in the middle");
}

#[test]
fn a_run_that_was_killed_at_any_record_is_finished_by_the_next() {
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/everything");
    let run = |root: &Path, at: Option<usize>| {
        let mut agent = quiet(PROGRAM);
        agent.arg("run").arg("--source").arg(&seed).arg("--root").arg(root);
        agent.envs(at.map(|at| ("FIRSTLIGHT_KILL_AT", at.to_string())));
        agent.status().unwrap().code()
    };
    let undisturbed = tempfile::tempdir().unwrap();
    fresh("debian", undisturbed.path());
    let before = left(undisturbed.path());
    let code = run(undisturbed.path(), None);
    assert!(matches!(code, Some(0 | 2)), "{code:?}");
    let expected = left(undisturbed.path());

    // Until there are no more records.
    let next = AtomicUsize::new(0);
    let kill_all = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let root = tempfile::tempdir().unwrap();
            fresh("debian", root.path());
            if run(root.path(), Some(at)).is_some() {
                return at;
            }
            let between = left(root.path());
            let halves = halves(&between, &before, &expected);
            assert!(halves.is_empty(), "killed at {at}: {halves:?}");
            assert_eq!(run(root.path(), None), code, "after {at}");
            let found = left(root.path());
            let differs = |path: &&String| expected.get(*path) != found.get(*path);
            let different: Vec<&String> = expected.keys().chain(found.keys()).filter(differs).collect();
            assert!(different.is_empty(), "killed at {at}: {different:?}");
        }
    };
    let records = std::thread::scope(|scope| {
        let lanes = [scope.spawn(kill_all), scope.spawn(kill_all)];
        lanes.map(|lane| lane.join().unwrap()).into_iter().min().unwrap()
    });
    assert!(records > 40, "only {records} places to kill it at");
}

/// The running system as far as a run changes it, in name spaces of this user's own.
struct Guest(tempfile::TempDir);

impl Guest {
    /// Directories of the system that are hidden behind the guest's own; nothing else is changed by its seed.
    const OWN: [&str; 4] = ["etc", "run", "var/lib", "var/log"];

    /// `None` where this user may have no name spaces.
    fn new(user_data: &str) -> Option<Self> {
        let guest = Self(tempfile::tempdir().unwrap());
        fresh("debian", &guest.0.path().join("root"));
        for own in Self::OWN {
            fs::create_dir_all(guest.path(own)).unwrap();
        }
        let seed = guest.0.path().join("seed/openstack/latest");
        fs::create_dir_all(&seed).unwrap();
        fs::write(seed.join("meta_data.json"), r#"{"uuid": "i-1", "hostname": "vm1"}"#).unwrap();
        fs::write(seed.join("user_data"), user_data).unwrap();
        let usable = guest.command("true").status().is_ok_and(|status| status.success());
        usable.then_some(guest)
    }

    /// Where a path of the guest is outside.
    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("root").join(path)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    fn command(&self, what: &str) -> Command {
        let mounts: Vec<String> = Self::OWN.map(|own| format!("mount --bind {own} /{own}")).into();
        // Its log must not reach that of the machine that runs the test.
        let script = format!("{} && {{ mount --bind /dev/null /dev/kmsg || :; }} && exec {what}", mounts.join(" && "));
        let mut command = quiet("unshare");
        command.args(["--user", "--map-root-user", "--mount", "--uts", "--net", "sh", "-c", &script]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir(self.0.path().join("root"));
        command
    }

    fn start(&self) -> Child {
        self.command(&format!("'{PROGRAM}' run --source ../seed")).spawn().unwrap()
    }

    fn run(&self) -> ExitStatus {
        self.start().wait().unwrap()
    }
}

#[test]
fn what_was_to_come_when_the_agent_was_told_to_end_is_done_once_by_the_next_run() {
    let user_data = "#cloud-config\n\
        users: []\n\
        bootcmd: ['echo once >>/run/bootcmd; sleep 60']\n\
        write_files: [{path: /etc/appended, append: yes, content: \"once\\n\"}]\n\
        runcmd: ['echo once >>/run/runcmd', 'echo the password is hunter2; false']\n";
    let Some(guest) = Guest::new(user_data) else {
        return eprintln!("SKIPPED: a running system, as this user may have no name spaces (unshare)");
    };
    let mut agent = guest.start();
    let limit = Instant::now() + Duration::from_secs(30);
    while guest.text("run/bootcmd").is_empty() {
        assert!(Instant::now() < limit && agent.try_wait().unwrap().is_none(), "bootcmd has not begun");
        sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(agent.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(agent.wait().unwrap().code(), Some(1));
    let nothing = ["run/runcmd", "etc/appended"].map(|path| guest.text(path));
    assert_eq!(nothing, ["", ""], "nothing was begun after the signal");
    assert!(guest.text("run/firstlight/status.json").contains("told to end in the stage local"));

    // 2: bootcmd was stopped in the middle and is not repeated; an entry of runcmd fails.
    assert_eq!(guest.run().code(), Some(2));
    guest.run();
    let done = ["run/bootcmd", "run/runcmd", "etc/appended"].map(|path| guest.text(path));
    assert_eq!(done, ["once\n", "once\n", "once\n"]);

    let public = ["run/firstlight/status.json", "run/firstlight/result.json"].map(|path| guest.text(path)).concat();
    assert!(public.contains("entry 2 ended with exit code 1"), "{public}");
    assert!(!public.contains("hunter2"), "{public}");
    assert!(guest.text("run/firstlight/output.json").contains("hunter2"));
    let mode = fs::metadata(guest.path("run/firstlight/output.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn commands_of_a_run_that_was_killed_at_any_record_run_once_or_are_reported() {
    // Each kind of command that is somebody's, and adds its name to a file; with the step that runs it.
    let commands = [
        ("bootcmd", "bootcmd"),
        ("runcmd-1", "runcmd"),
        ("runcmd-2", "runcmd"),
        ("boothook", "boothook"),
        ("user", "scripts"),
        ("instance", "scripts"),
        ("once", "scripts"),
        ("boot", "scripts"),
    ];
    let script = |kind: &str, name: &str| {
        format!(
            "--B\nContent-Type: text/{kind}\nContent-Disposition: attachment; filename={name}\n\n#!/bin/sh\necho {name} >>/run/done\n"
        )
    };
    let config = "--B\nContent-Type: text/cloud-config\n\n\
        users: []\n\
        ssh_genkeytypes: [ed25519]\n\
        bootcmd: ['echo bootcmd >>/run/done']\n\
        write_files:\n\
        - {path: /etc/appended, append: yes, content: \"once\\n\"}\n\
        - {path: /etc/written, content: \"whole\\n\"}\n\
        runcmd: ['echo runcmd-1 >>/run/done', [sh, -c, 'echo runcmd-2 >>/run/done']]\n";
    let scripts = [
        script("cloud-boothook", "boothook"),
        script("x-shellscript", "user"),
        script("x-shellscript-per-instance", "instance"),
        script("x-shellscript-per-once", "once"),
        script("x-shellscript-per-boot", "boot"),
    ];
    let head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n";
    let user_data = format!("{head}{config}{}--B--\n", scripts.concat());
    for at in 0.. {
        let Some(guest) = Guest::new(&user_data) else {
            return eprintln!("SKIPPED: a running system, as this user may have no name spaces (unshare)");
        };
        let what = format!("'{PROGRAM}' run --source ../seed");
        let killed = guest.command(&what).env("FIRSTLIGHT_KILL_AT", at.to_string()).status().unwrap();
        let code = guest.run().code();
        assert!(matches!(code, Some(0 | 2)), "killed at {at}: {code:?}");
        assert_eq!([guest.text("etc/appended"), guest.text("etc/written")], ["once\n", "whole\n"], "killed at {at}");
        let (done, status) = (guest.text("run/done"), guest.text("run/firstlight/status.json"));
        let interrupted = interrupted(&serde_json::from_str(&status).unwrap());
        for (name, step) in commands {
            let times = done.lines().filter(|line| *line == name).count();
            let told = interrupted.iter().any(|told| told.starts_with(step));
            assert!(times == 1 || (times == 0 && told), "killed at {at}: {name} ran {times} times: {status}");
        }
        if killed.code().is_some_and(|code| code < 128) {
            assert!(at > 20, "only {at} places to kill it at");
            return;
        }
    }
}

/// The names of all steps of a status that were interrupted.
fn interrupted(status: &serde_json::Value) -> Vec<String> {
    let own = match (status["outcome"].as_str(), status["name"].as_str()) {
        (Some("interrupted"), Some(name)) => vec![name.to_owned()],
        _ => Vec::new(),
    };
    let within = status.as_object().into_iter().flat_map(|entries| entries.values());
    own.into_iter().chain(within.chain(status.as_array().into_iter().flatten()).flat_map(interrupted)).collect()
}
