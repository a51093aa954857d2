//! The hosts of `stratus_testkit::lab` with the driver on them.
use std::ops::Deref;
use std::sync::Arc;
use stratus_kvm::{Config, Kvm};
use stratus_testkit::lab;
pub use stratus_testkit::lab::{LIMIT, run, serve, template};

pub struct Lab {
    pub hosts: Vec<LabHost>,
    lab: lab::Lab,
}

pub struct LabHost {
    pub id: String,
    pub netns: String,
    pub config: Config,
}

impl Lab {
    /// Hosts with numbers from 1, or nothing with the reason printed.
    pub async fn open(count: u8) -> Option<Self> {
        let lab = lab::Lab::open(count).await?;
        let id = |number: u8| format!("00000000-0000-4000-8000-0000000004{number:02x}");
        let host = |host: &lab::LabHost| {
            let mut settings = host.settings();
            settings["host"] = id(host.number).into();
            for other in lab.hosts.iter().filter(|other| other.number != host.number) {
                settings["peers"][id(other.number)] = other.as_peer();
            }
            let config = serde_json::from_value(settings).unwrap();
            LabHost { id: id(host.number), netns: host.netns.clone(), config }
        };
        let hosts = lab.hosts.iter().map(host).collect();
        Some(Self { hosts, lab })
    }

    /// The first host's machinery.
    pub fn first(&mut self) -> &mut lab::LabHost {
        &mut self.lab.hosts[0]
    }
}

impl Deref for Lab {
    type Target = lab::Lab;
    fn deref(&self) -> &lab::Lab {
        &self.lab
    }
}

impl LabHost {
    /// The driver of this host.
    pub async fn driver(&self) -> Arc<Kvm> {
        Kvm::open(self.config.clone()).await.unwrap()
    }
}
