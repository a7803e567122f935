// SPDX-License-Identifier: Apache-2.0
//! Metadata services in the image's settings: where they are, and how long they are asked.

use std::time::Duration;

use crate::config::base::Settings;
use crate::config::document::{Data, Node, Value};
use crate::config::read::{Read as _, same_key};
use crate::finding::{Finding, Findings, Located};
use crate::http;

crate::keys! {
    /// A metadata service. cloud-init's `datasource: {OpenStack: …, Ec2: …}` is read too.
    pub struct MetadataService {
        /// Where it is, in place of the platform's usual addresses: URLs without a path.
        metadata_urls: Vec<Located<String>>,
        /// How long it is asked where the platform is certain; 120 s.
        max_wait: Duration,
        /// For one request; 10 s.
        timeout: Duration,
        /// Whether its word on the network counts; yes.
        apply_network_config: bool,
    }
}

/// What cloud-init's blocks have beside these keys, and why it is not needed here.
const NOT_NEEDED: [(&str, &str); 3] = [
    ("retries", "a server is asked until `max_wait` is over"),
    ("strict_id", "a service is asked where the machine or the settings name its platform"),
    ("apply_full_imds_network_config", "`apply_network_config` says it all"),
];

/// What one attempt may take, for cloud-init's `max_wait: -1`.
const ONE_ATTEMPT: Duration = Duration::from_secs(10);

impl MetadataService {
    /// Adds what cloud-init's block says, where our own says nothing.
    pub(super) fn add_cloud_init(service: &mut Option<Self>, block: &Node, findings: &mut Findings) {
        let mut block = block.clone();
        let mut once = None;
        if let Data::Mapping(entries) = &mut block.data {
            entries.retain(|(key, value)| {
                let is = |name: &str| same_key(key.text().unwrap_or_default(), name);
                if let Some((name, why)) = NOT_NEEDED.iter().find(|(name, _)| is(name)) {
                    findings.push(Finding::note(&key.origin, format!("`{name}` is not needed here: {why}")));
                    return false;
                }
                let is_once = is("max_wait") && matches!(value.value(), Some(Value::Integer(seconds)) if seconds <= 0);
                once = once.or(is_once.then_some(ONE_ATTEMPT));
                !is_once
            });
        }
        if let Some(mut read) = Self::read(&block, findings) {
            read.max_wait = read.max_wait.or(once.map(|least| read.timeout.unwrap_or(least)));
            *service = Some(service.take().unwrap_or_default().over(read));
        }
    }
}

impl Settings {
    fn services(&self) -> impl Iterator<Item = &MetadataService> {
        [&self.openstack, &self.ec2].into_iter().flatten()
    }

    /// How long servers are asked that the platform is certain to have, where the settings say so. None at all is one
    /// attempt: without that no server would ever be asked.
    pub fn max_wait(&self) -> Option<Duration> {
        let longest = self.services().filter_map(|service| service.max_wait).max();
        longest.map(|wait| if wait.is_zero() { self.timeout().unwrap_or(ONE_ATTEMPT) } else { wait })
    }

    /// How long one request may take, where the settings say so; no time at all says nothing.
    pub fn timeout(&self) -> Option<Duration> {
        self.services().filter_map(|service| service.timeout).filter(|timeout| !timeout.is_zero()).max()
    }

    /// Takes out the addresses of services that are no URLs: the others are asked; without others the usual ones, as
    /// with cloud-init.
    pub(super) fn check_urls(&mut self, findings: &mut Findings) {
        for service in [&mut self.openstack, &mut self.ec2].into_iter().flatten() {
            let Some(urls) = &mut service.metadata_urls else { continue };
            urls.retain(|url| {
                let wrong = http::parse(url).err();
                findings.extend(wrong.as_ref().map(|error| {
                    Finding::error(&url.origin, format!("{}; it is left out", error.without_advice()))
                        .help("as in `http://169.254.169.254`")
                }));
                wrong.is_none()
            });
            service.metadata_urls.take_if(|urls| urls.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::base::settle;
    use crate::seed::Document;

    fn read(text: &str) -> (Settings, Vec<String>) {
        let mut findings = Findings::default();
        let settings = settle(&[Document::new("s", text)], None, &mut findings).0;
        (settings, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn cloud_init_s_blocks_count_where_ours_say_nothing() {
        let (settings, said) = read(
            "firstlight: {openstack: {timeout: 3s}}\ndatasource:\n  OpenStack: {metadata_urls: ['http://192.0.2.1'], max_wait: -1, timeout: 50, retries: 3}\n  Ec2: {max_wait: 240, timeout: 50, strict_id: false, apply_network_config: false}\n",
        );
        let (openstack, ec2) = (settings.openstack.as_ref().unwrap(), settings.ec2.as_ref().unwrap());
        assert_eq!(openstack.metadata_urls.as_ref().unwrap()[0].as_str(), "http://192.0.2.1");
        // One attempt takes as long as that block itself says.
        assert_eq!(
            (openstack.timeout, openstack.max_wait),
            (Some(Duration::from_secs(3)), Some(Duration::from_secs(50)))
        );
        assert_eq!((ec2.max_wait, ec2.apply_network_config), (Some(Duration::from_secs(240)), Some(false)));
        assert_eq!(
            said,
            [
                "s:3:79: note: `retries` is not needed here: a server is asked until `max_wait` is over",
                "s:4:37: note: `strict_id` is not needed here: a service is asked where the machine or the settings name its platform",
            ]
        );
        let (settings, said) = read("datasource: {OpenStack: {max_wait: 0, max-wiat: 3}}");
        assert_eq!(settings.max_wait(), Some(ONE_ATTEMPT));
        let (none, _) = read("firstlight: {ec2: {max_wait: 0s, timeout: 0}, openstack: {max_wait: 0.0}}");
        assert_eq!((none.max_wait(), none.timeout()), (Some(ONE_ATTEMPT), None));
        assert!(said[0].contains("unknown key `max-wiat`"), "{said:?}");
        let (settings, _) = read("firstlight: {openstack: {max_wait: 0s, timeout: 0s}}");
        assert_eq!((settings.max_wait(), settings.timeout()), (Some(ONE_ATTEMPT), None), "else nobody is asked");
        assert!(read("datasource: {OpenStack: ~, Ec2: 3}").0.openstack.is_none());
    }

    #[test]
    fn an_address_that_is_no_url_is_said_and_costs_only_itself() {
        let (settings, said) =
            read("firstlight: {ec2: {metadata_urls: ['169.254.169.254', 'ftp://ops:hunter2@h', 'http://192.0.2.1']}}");
        let urls = settings.ec2.unwrap().metadata_urls.unwrap();
        assert_eq!(urls.iter().map(|url| url.as_str()).collect::<Vec<_>>(), ["http://192.0.2.1"]);
        assert!(
            said.len() == 2 && said[1].starts_with("s:1:55: error: `ftp:` URLs are not supported; it is"),
            "{said:?}"
        );
    }

    #[test]
    fn what_has_the_wrong_form_is_said_and_a_list_without_a_known_name_says_nothing() {
        let (settings, said) = read("datasource_list: NoCloud\ndatasource: [x]\n");
        assert!(settings.datasources.is_none());
        assert_eq!(said.len(), 2, "{said:?}");
        let (settings, said) = read("firstlight: {datasources: [azure]}\n");
        assert!(settings.datasources.is_none() && said.len() == 1, "{said:?}");
    }
}
