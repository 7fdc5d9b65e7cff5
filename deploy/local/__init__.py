"""The whole deployment on one machine: for the demo and for the tests of failover."""
