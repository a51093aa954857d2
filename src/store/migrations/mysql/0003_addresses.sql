-- Public addresses: whose network carries them, the NIC that one stands for, and the rules on them.
alter table ip_address add column associated_network_id bigint;
alter table ip_address add column nat_nic_id bigint;
alter table ip_address add column guest_ip varchar(255);
alter table ip_address add column nat_uuid char(36) character set ascii collate ascii_bin;
create index ip_address_associated_network_id on ip_address (associated_network_id);
-- An address of a NIC has one public address.
create unique index ip_address_nat_nic_id_guest_ip on ip_address (nat_nic_id, guest_ip);
-- What the network's router is to know of public addresses: grows with each change, and what it took last.
alter table network add column nat_sequence bigint not null default 0;
alter table network add column nat_applied bigint not null default 0;
create table firewall_rule (
  id bigint not null auto_increment primary key,
  uuid char(36) character set ascii collate ascii_bin not null,
  purpose varchar(255) not null,
  ip_address_id bigint not null,
  network_id bigint not null,
  account_id bigint not null,
  domain_id bigint not null,
  protocol varchar(255) not null,
  first_port bigint not null,
  last_port bigint not null,
  cidrs mediumtext,
  state varchar(255) not null,
  update_count bigint not null,
  created bigint not null,
  removed bigint
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index firewall_rule_uuid on firewall_rule (uuid);
create index firewall_rule_ip_address_id on firewall_rule (ip_address_id);
create index firewall_rule_account_id on firewall_rule (account_id);
