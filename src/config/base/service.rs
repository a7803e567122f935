// SPDX-License-Identifier: Apache-2.0
//! Metadata services in the image's settings: where they are, and how long they are asked.

use std::time::Duration;

use crate::config::base::Settings;
use crate::finding::Located;

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

impl Settings {
    fn services(&self) -> impl Iterator<Item = &MetadataService> {
        [&self.openstack, &self.ec2].into_iter().flatten()
    }

    /// How long servers are asked that the platform is certain to have, where the settings say so.
    pub fn max_wait(&self) -> Option<Duration> {
        self.services().filter_map(|service| service.max_wait).max()
    }

    /// How long one request may take, where the settings say so.
    pub fn timeout(&self) -> Option<Duration> {
        self.services().filter_map(|service| service.timeout).max()
    }
}
