-- Public addresses: whose network carries them, the NIC that one stands for, and the rules on them.
alter table ip_address add column associated_network_id integer;
alter table ip_address add column nat_nic_id integer;
alter table ip_address add column guest_ip text;
alter table ip_address add column nat_uuid text;
create index ip_address_associated_network_id on ip_address (associated_network_id);
-- An address of a NIC has one public address.
create unique index ip_address_nat_nic_id_guest_ip on ip_address (nat_nic_id, guest_ip);
-- What the network's router is to know of public addresses: grows with each change, and what it took last.
alter table network add column nat_sequence integer not null default 0;
alter table network add column nat_applied integer not null default 0;
create table firewall_rule (
  id integer primary key autoincrement,
  uuid text not null,
  purpose text not null,
  ip_address_id integer not null,
  network_id integer not null,
  account_id integer not null,
  domain_id integer not null,
  protocol text not null,
  first_port integer not null,
  last_port integer not null,
  cidrs text,
  state text not null,
  update_count integer not null,
  created integer not null,
  removed integer
) strict;
create unique index firewall_rule_uuid on firewall_rule (uuid);
create index firewall_rule_ip_address_id on firewall_rule (ip_address_id);
create index firewall_rule_account_id on firewall_rule (account_id);
