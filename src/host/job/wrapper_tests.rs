// SPDX-License-Identifier: Apache-2.0
//! guest.sh under the shells that guests have, in a directory that stands for a guest: its devices are files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::carried::Carried;
use super::outputs::Outputs;
use super::results;
use super::said::{Archive, Log, Said};

/// With the words that make each of them a POSIX shell.
const SHELLS: [&[&str]; 3] = [&["dash"], &["busybox", "sh"], &["bash", "--posix"]];

struct Guest {
    scratch: tempfile::TempDir,
    outputs: Outputs,
}

impl Guest {
    /// With this job on its disk and all its devices.
    fn new(script: &str, outputs: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        let devices = [
            ("block/vda", "serial", "other"),
            ("block/vdb", "serial", "fl-input"),
            ("block/vdc", "serial", "fl-results"),
        ];
        let ports = [
            ("class/virtio-ports/vport1p1", "name", "org.firstlight.job\n"),
            ("class/virtio-ports/vport1p2", "name", "org.firstlight.job.log\n"),
        ];
        for (device, attribute, value) in devices.into_iter().chain(ports) {
            let directory = root.join("sys").join(device);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join(attribute), value).unwrap();
        }
        fs::create_dir(root.join("dev")).unwrap();
        for name in ["vdc", "vport1p1", "vport1p2", "console"] {
            fs::write(root.join("dev").join(name), "").unwrap();
        }
        let input = root.join("image.ks");
        fs::write(&input, "part /\n").unwrap();
        let outputs = Outputs::new(&outputs.iter().map(PathBuf::from).collect::<Vec<_>>()).unwrap();
        let environment = [("JOB_NAME", "image"), ("WORDS", "it's $HOME"), ("home", "/nowhere"), ("root", "/nowhere")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let (script, environment) = (script.as_bytes().to_vec(), environment.to_vec());
        let carried = Carried { script, environment, outputs: outputs.clone(), inputs: vec![input] };
        carried.write(&root.join("dev/vdb")).unwrap();
        Self { scratch, outputs }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.scratch.path().join(path)
    }

    /// Runs the wrapper; what it reported last, and what was printed.
    fn run(&self, shell: &[&str]) -> (Said, String) {
        let (program, arguments) = shell.split_first().unwrap();
        let wrapper = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/job/guest.sh");
        let done = Command::new(program)
            .args(arguments)
            .arg(wrapper)
            .env("FIRSTLIGHT_JOB_ROOT", self.scratch.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), "", "{shell:?}");
        let text = |name: &str| fs::read_to_string(self.path(name)).unwrap();
        let reports: Vec<_> = text("dev/vport1p1").lines().map(|line| Said::on_port(line).unwrap()).collect();
        let console: Vec<_> = text("dev/console").lines().filter_map(Said::on_console).collect();
        let reports = if reports.is_empty() { console } else { reports };
        let log = text("dev/vport1p2");
        assert!(reports.len() == 1 || matches!(reports[0], Said::Started { .. }), "{shell:?}: {reports:?} {log}");
        (reports.into_iter().next_back().unwrap(), log)
    }
}

/// Every guest has one of them; a machine that tests need not have all.
fn shells() -> impl Iterator<Item = &'static [&'static str]> {
    let there =
        SHELLS.into_iter().filter(|shell| Command::new(shell[0]).args(&shell[1..]).args(["-c", ":"]).output().is_ok());
    let there: Vec<_> = there.collect();
    assert!(!there.is_empty());
    there.into_iter()
}

fn archive(said: Said) -> Archive {
    match said {
        Said::Ended { exit: 0, archive: Some(archive), .. } => archive,
        said => panic!("{said:?}"),
    }
}

#[test]
fn a_job_runs_among_its_inputs_and_its_results_arrive_whole() {
    let script = "#!/bin/sh -e\n\
        cat image.ks; echo \"$JOB_NAME $WORDS\" >&2; test \"$PWD\" = \"$JOB_DIR\"; test -z \"$(cat)\"\n\
        echo one > \"$JOB_OUTPUT/a b.img\"; mkdir deep; echo two > deep/-x\n";
    for shell in shells() {
        let guest = Guest::new(script, &["deep", "/etc/os-release"]);
        fs::create_dir(guest.path("etc")).unwrap();
        fs::write(guest.path("etc/os-release"), "ID=x\n").unwrap();
        let (said, log) = guest.run(shell);
        assert_eq!(log, "part /\nimage it's $HOME\n", "{shell:?}");
        let to = guest.path("to");
        fs::create_dir(&to).unwrap();
        let archive = archive(said);
        assert_eq!((archive.tar, archive.disk), (0, 0));
        let files = results::unpack(&guest.path("dev/vdc"), &archive, &guest.outputs, 1 << 20, &to).unwrap();
        assert_eq!(files, ["a b.img", "deep/-x", "os-release"].map(PathBuf::from), "{shell:?}");
        assert_eq!(fs::read_to_string(to.join("a b.img")).unwrap(), "one\n");
    }
}

#[test]
fn a_failure_is_told_with_its_exit_code_and_nothing_is_sent() {
    let failed = |exit| Said::Ended { exit, missing: Vec::new(), archive: None };
    for shell in shells() {
        for (script, exit) in [
            ("#!/bin/sh\necho late >&2; exit 3\n", 3),
            ("#!/bin/sh\nkill -9 $$\n", 137),
            ("#!/nonexistent/shell\n", 127),
            ("false\n", 1),
        ] {
            let guest = Guest::new(script, &[]);
            assert_eq!(guest.run(shell).0, failed(exit), "{shell:?} {script}");
            assert_eq!(fs::metadata(guest.path("dev/vdc")).unwrap().len(), 0);
        }
        let guest = Guest::new("#!/bin/sh\n", &["/srv/none", "gone"]);
        assert_eq!(guest.run(shell).0, Said::Ended { exit: 0, missing: vec![1, 2], archive: None });
    }
}

#[test]
fn a_disk_that_is_full_is_told() {
    for shell in shells() {
        let guest = Guest::new("#!/bin/sh\necho x > \"$JOB_OUTPUT/x\"\n", &[]);
        fs::remove_file(guest.path("dev/vdc")).unwrap();
        std::os::unix::fs::symlink("/dev/full", guest.path("dev/vdc")).unwrap();
        let (said, log) = guest.run(shell);
        let archive = archive(said);
        assert_ne!(archive.disk, 0);
        assert_eq!(archive.size % 512, 0);
        assert!(log.contains("tee: "), "{log}");
    }
}

#[test]
fn without_ports_it_is_the_console_and_without_disks_it_is_refused() {
    for shell in shells() {
        let guest = Guest::new("#!/bin/sh\necho hello\nprintf unfinished\nexit 4\n", &[]);
        fs::remove_dir_all(guest.path("sys/class")).unwrap();
        let (said, _) = guest.run(shell);
        assert_eq!(said, Said::Ended { exit: 4, missing: Vec::new(), archive: None });
        let console = fs::read_to_string(guest.path("dev/console")).unwrap();
        assert!(console.contains("\nhello\n"), "{console}");
        let started = console.lines().find_map(Said::on_console);
        assert_eq!(started, Some(Said::Started { log: Log::Console }));

        let guest = Guest::new("#!/bin/sh\n", &[]);
        fs::remove_dir_all(guest.path("sys/block/vdb")).unwrap();
        assert_eq!(guest.run(shell).0, Said::Refused { why: "no-input".to_owned() });
    }
}
