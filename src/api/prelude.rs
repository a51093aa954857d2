//! What every file of commands and views needs.
#![allow(unused_imports, reason = "not every file needs every name")]
pub(crate) use crate::answer::Answer;
pub(crate) use crate::declare::{Create, Created, Run};
pub(crate) use crate::params::{Date, Ignored, MapList, Paging, Refused, Scoped, Tags};
pub(crate) use crate::registry::Registry;
pub(crate) use crate::resolve::{Due, Owned, Ref, found};
pub(crate) use crate::views;
pub(crate) use stratus_api_derive::{Command, View};
pub(crate) use stratus_engine::{Call, JobDraft, ListScope, Listing, Topic};
pub(crate) use stratus_model::{Error, Kind, Result};
pub(crate) use stratus_store as store;
