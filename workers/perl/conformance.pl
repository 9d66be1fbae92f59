#!/usr/bin/env perl
# The worker of the conformance suite: see docs/worker-conformance.md.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use AvtomatWorker;
use Time::HiRes qw(sleep);

my $worker = AvtomatWorker->new(
    concurrency => $ENV{AVTOMAT_WORKER_CONCURRENCY},
    drain_s     => $ENV{AVTOMAT_WORKER_DRAIN_S},
);
$worker->task('conformance.echo'    => sub { $_[0] });
$worker->task('conformance.status'  => sub { AvtomatWorker::result(@{ $_[0] }{qw(data status)}) });
$worker->task('conformance.fail'    => sub { die AvtomatWorker::error(@{ $_[0] }{qw(code message details)}) });
$worker->task('conformance.crash'   => sub { die "this task breaks\n" });
$worker->task('conformance.context' => sub {
    my ($params, $context) = @_;
    return { map { $_ => $context->{$_} } qw(job_id task_id attempt idempotency_key) };
});
$worker->task('conformance.slow' => sub {
    my ($params) = @_;
    sleep 0 + $params->{seconds};
    return { slept => $params->{seconds} };
});
$worker->task('conformance.progress' => sub {
    my ($params, $context) = @_;
    $context->progress(0.5, 'half');
    sleep 2;
    return {};
});
$worker->run;
