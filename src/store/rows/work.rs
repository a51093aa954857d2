use crate::{Text, table};

table! {
    /// A piece of work that outlives the request that asked for it.
    Job in "job" {
        uuid: String, command: String,
        /// The parameters as given, a JSON map.
        parameters: Text,
        user_id: i64, account_id: i64, domain_id: i64, instance_type: Option<String>, instance_id: Option<i64>,
        /// Jobs with the same key run one after another.
        queue: String,
        /// 0 pending, 1 done, 2 failed.
        status: i64,
        process_status: i64, result_code: i64, result: Option<Text>,
        start_event_id: Option<i64>,
        /// The server that works on it, until when, and in which of its lives.
        server_id: Option<i64>, lease_until: Option<i64>, epoch: i64,
        update_count: i64, created: i64, finished: Option<i64>, removed: Option<i64>,
    }
}
table! {
    /// Where a job's saga stands: the plan as of the last finished step. One a saga of a job.
    JobStep in "job_step" {
        job_id: i64, saga: String,
        /// Steps done so far (forward), or still to undo (backward).
        step: i64,
        backward: bool, plan: Text, error: Option<Text>, done: bool, updated: i64,
    }
}
table! {
    /// Something that happened, written in the transaction of what it tells.
    Event in "event" {
        uuid: String, event_type: String,
        /// `INFO`, `WARN`, `ERROR`.
        level: String,
        /// `Created`, `Scheduled`, `Started`, `Completed`.
        state: String,
        description: Text, user_id: i64, account_id: i64, domain_id: i64, start_id: Option<i64>,
        resource_type: Option<String>, resource_id: Option<i64>, archived: bool, created: i64,
    }
}
table! {
    /// A raw fact that usage is summed from.
    UsageEvent in "usage_event" {
        event_type: String, account_id: i64, domain_id: i64, zone_id: i64, resource_id: i64, resource_name: Option<String>, offering_id: Option<i64>,
        template_id: Option<i64>, size: Option<i64>, resource_type: Option<String>, created: i64, processed: bool,
    }
}
table! {
    /// A management server that works on this database.
    Server in "server" { uuid: String, name: String, epoch: i64, state: String, started: i64, last_seen: i64, version: String }
}
table! {
    /// Something that administrators should look at. Of one kind and place there is one open alert, counted up while it lasts.
    Alert in "alert" {
        uuid: String,
        /// The number of its kind, 0 to 25.
        alert_type: i64,
        subject: String, description: Text, zone_id: Option<i64>, pod_id: Option<i64>, cluster_id: Option<i64>,
        sent_count: i64, archived: bool, created: i64, last_sent: i64, resolved: Option<i64>, removed: Option<i64>,
    }
}
