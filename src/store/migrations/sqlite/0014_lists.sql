-- Whole lists by owner without touching the rows, and the few static NAT addresses among many that a VM merely holds.
create index vm_removed_account_id on vm (removed, account_id);
create index volume_removed_account_id on volume (removed, account_id);
create index event_archived_account_id on event (archived, account_id);
create index ip_address_static_nat_vm_id on ip_address (static_nat, vm_id);
