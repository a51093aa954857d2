-- What the console shows over time, and the tickets that open a VM's screen.
create table capacity_sample (
  id bigint not null auto_increment primary key,
  zone_id bigint not null,
  kind bigint not null,
  used bigint not null,
  total bigint not null,
  taken bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create index capacity_sample_taken on capacity_sample (taken);
create table console_ticket (
  id bigint not null auto_increment primary key,
  ticket_hash varchar(255) not null,
  vm_id bigint not null,
  user_id bigint not null,
  expires bigint not null
) engine=InnoDB default charset=utf8mb4 collate=utf8mb4_bin;
create unique index console_ticket_ticket_hash on console_ticket (ticket_hash);
create index console_ticket_expires on console_ticket (expires);
