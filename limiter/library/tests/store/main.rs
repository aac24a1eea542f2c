//! The link to the store before real servers: redis-server, a Redis Cluster, and ringlet-server if it is
//! built (`RINGLET_SERVER_BINARY`, or beside the tests).

mod cluster;
mod driver;
mod single;
