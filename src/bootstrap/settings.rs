// SPDX-License-Identifier: Apache-2.0
//! The bootstrap loop as the image's settings have it, and what an image is given for it.

use std::path::PathBuf;

use crate::bootstrap::files::Files;
use crate::bootstrap::{Bootstrap, Record, State};
use crate::config::base::Settings;
use crate::error::{Error, Result};
use crate::finding::{Findings, Severity};
use crate::root::Root;
use crate::state;

/// Name of its unit among those that a boot may want.
pub const UNIT: &str = "bootstrap";

impl Bootstrap {
    /// What the settings say, as long as nothing is wrong with them: without a key that was misspelt, or whose variable
    /// the instance lacks, another script may run than was meant, and without its seal.
    ///
    /// # Errors
    /// Malformed: there is an error among the `findings` of the settings.
    pub fn from_sound(settings: &Settings, findings: &Findings) -> Result<Self> {
        match findings.iter().find(|finding| finding.severity == Severity::Error) {
            None => Ok(Self::from_settings(settings)),
            Some(error) => Err(Error::from(error.clone())
                .while_doing("the bootstrap script is not run, as the settings have an error")),
        }
    }

    /// What the settings say, else the defaults.
    pub fn from_settings(settings: &Settings) -> Self {
        let mut bootstrap = Self::default();
        let Some(told) = settings.bootstrap.clone() else { return bootstrap };
        if let Some(url) = told.url {
            bootstrap.url = url.value;
        }
        if let Some(interval) = told.interval {
            bootstrap.interval = interval;
        }
        if let Some(max_retry) = told.max_retry {
            bootstrap.max_retry = max_retry;
        }
        if let Some(directory) = told.directory {
            bootstrap.directory = directory.value;
        }
        if let Some(log) = told.log {
            bootstrap.log = log.value;
        }
        bootstrap.timeout = told.timeout.filter(|timeout| !timeout.is_zero());
        bootstrap.sha256 = told.sha256.map(|digest| digest.value);
        bootstrap.public_key = told.public_key.map(|key| key.value);
        bootstrap
    }

    /// Whether a loop started now would try the script.
    pub fn is_due(&self, root: &Root) -> Result<bool> {
        let record = Record::read(root)?.unwrap_or_default();
        let files = Files::new(root, &self.directory);
        Ok(record.state != State::Succeeded
            && files.is_enabled()
            && files.tries(record.tries) < files.max_retry(self.max_retry))
    }

    /// What an image begins with: the switch, the number of tries, and none made.
    pub fn initial_files(&self) -> [(PathBuf, String); 3] {
        let file = |name: &str| self.directory.join(name);
        [
            (file("start-bootstrap"), "\n".to_owned()),
            (file("bootstrap-max-retry"), format!("{}\n", self.max_retry)),
            (file("retry-amount"), "0\n".to_owned()),
        ]
    }

    /// What a loop leaves that an image must not be published with.
    pub fn leftovers(&self) -> [PathBuf; 4] {
        let file = |name: &str| self.directory.join(name);
        [state::BOOTSTRAP.into(), self.log.clone(), file("retry-amount"), file("bootstrap-script")]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::config::base;
    use crate::seed::Document;

    fn sound(settings: &[&str], data: &Value) -> Result<Bootstrap> {
        let documents: Vec<_> = settings.iter().map(|text| Document::new("settings", *text)).collect();
        let mut findings = Findings::default();
        let (settings, _) = base::settle(&documents, Some(data), &mut findings);
        Bootstrap::from_sound(&settings, &findings)
    }

    #[test]
    fn every_setting_counts() {
        let text = "firstlight: {bootstrap: {url: 'http://127.0.0.1/s', interval: 1s, timeout: 2s, max_retry: 3, \
            directory: /opt/b, log: /opt/b.log, sha256: ab, public_key: cd}}";
        let told = Bootstrap {
            url: "http://127.0.0.1/s".to_owned(),
            interval: Duration::from_secs(1),
            timeout: Some(Duration::from_secs(2)),
            max_retry: 3,
            directory: "/opt/b".into(),
            log: "/opt/b.log".into(),
            sha256: Some("ab".to_owned()),
            public_key: Some("cd".to_owned()),
        };
        assert_eq!(sound(&[text], &Value::Null).unwrap(), told);
        assert_eq!(sound(&[], &Value::Null).unwrap(), Bootstrap::default());
        let initial = told.initial_files().map(|(path, content)| format!("{} {}", path.display(), content.trim()));
        assert_eq!(initial, ["/opt/b/start-bootstrap ", "/opt/b/bootstrap-max-retry 3", "/opt/b/retry-amount 0"]);
        let leftovers = told.leftovers().map(|path| path.display().to_string());
        assert_eq!(leftovers[1..], ["/opt/b.log", "/opt/b/retry-amount", "/opt/b/bootstrap-script"]);
    }

    #[test]
    fn nothing_is_run_by_settings_that_lost_something() {
        let sealed = "## template: jinja\nfirstlight: {bootstrap: {sha256: \"{{ meta.sum }}\"}}\n";
        for (settings, why) in [
            (&["firstlight: {bootstrap: {sha265: ab}}"][..], "did you mean `sha256`?"),
            (&["firstlight: {bootstrap: {sha256: [ab]}}"], "expected a string"),
            (&["firstlight: {bootstrap: {url: x}"], "not YAML"),
            (&["firstlight: {wait: soon}"], "expected a duration"),
            (&[sealed], "the instance data has no `meta.sum`"),
            (&["firstlight: {bootstrap: {sha256: ab}}", sealed], "the instance data has no `meta.sum`"),
            (&["## template: jinja\nfirstlight: \"{{ meta.all }}\"\n"], "the instance data has no `meta.all`"),
            (&["## template: jinja\nfirstlight: {bootstrap: {sha256: {{ meta.sum + 1 }}}}\n"], "the template fails"),
        ] {
            let error = sound(settings, &Value::Null).unwrap_err().to_string();
            assert!(error.starts_with("the bootstrap script is not run, as the settings have an error: settings"));
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(sound(&[sealed], &json!({"meta": {"sum": "ab"}})).unwrap().sha256.as_deref(), Some("ab"));
        // An empty value is a seal that fits nothing, not one that is missing.
        assert_eq!(sound(&[sealed], &json!({"meta": {"sum": ""}})).unwrap().sha256.as_deref(), Some(""));
        let later = "firstlight: {bootstrap: {sha256: ab}}";
        assert_eq!(sound(&[sealed, later], &Value::Null).unwrap().sha256.as_deref(), Some("ab"));
        let other = "## template: jinja\nfirstlight: {network: {gateway: \"{{ meta.edgeproxy }}\"}}\n";
        assert_eq!(sound(&[other], &Value::Null).unwrap(), Bootstrap::default());
    }
}
