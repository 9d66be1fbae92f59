# A worker for Avtomat, with core modules alone.
#
# One loop waits for pipes. Each task runs in a process of its own, which is killed when nobody wants the result any
# more; so does each request, so that neither a long poll nor a slow answer holds up a heartbeat.
#
# - One poll at a time: then the list of what the worker holds is complete when a poll is sent, and the engine takes
#   back what it handed out and never arrived. A poll that failed is repeated under the same nonce.
# - SIGTERM: no more polls, running tasks finish within `drain_s`, the rest is killed and given back, results are
#   delivered, and the engine is told that the worker is gone.
package AvtomatWorker;
use strict;
use warnings;
use HTTP::Tiny;
use JSON::PP ();
use List::Util qw(max min);
use POSIX qw(WNOHANG);
use Sys::Hostname qw(hostname);
use Time::HiRes qw(time);

use constant {
    POLL_S           => 30,
    REQUEST_S        => 15,
    LEASE_DEFAULT_S  => 90,
    CANCEL_HEARD_S   => 10,
    BACKOFF_FIRST_S  => 0.5,
    BACKOFF_MAX_S    => 30,
    RETRY_AFTER_MAX_S => 300,
    RESULT_KEPT_S    => 900,
    RESULTS_HELD_MAX => 100,
    OUTPUT_BYTES_MAX => 8_000_000,
    HOLDING_MAX      => 4_000,
    KILL_AFTER_S     => 2,
    FLUSH_S          => 3,
    LOOK_S           => 0.5,
};

my $json = JSON::PP->new->utf8->canonical->allow_nonref->max_depth(512);

# AvtomatWorker->new(url =>, token =>, worker_id =>, concurrency =>, drain_s =>); all have a default.
sub new {
    my ($class, %given) = @_;
    my $self = bless {
        url         => $given{url}         // $ENV{AVTOMAT_URL}          // '',
        token       => $given{token}       // $ENV{AVTOMAT_WORKER_TOKEN} // '',
        worker_id   => $given{worker_id}   // $ENV{AVTOMAT_WORKER_ID}    // _invented_id(),
        concurrency => $given{concurrency} // 1,
        drain_s     => $given{drain_s}     // 15,
        tasks       => {},
        running     => {},    # task_id => what is known of an attempt under way
        outbox      => [],    # results on their way, oldest first
        asked       => {},    # pid => a request under way
        stopping    => 0,
        due         => { poll => 0, beat => 0, deliver => 0 },
        failures    => { poll => 0, beat => 0, deliver => 0 },
        nonce       => _nonce(),
    }, $class;
    $self->{url} =~ m{^https?://} or die "the engine's address starts with http:// or https://: '$self->{url}'\n";
    $self->{worker_id} =~ /^[A-Za-z0-9_-]{1,128}\z/ or die "a worker id is 1 to 128 letters, digits, _ and -\n";
    $self->{url} =~ s{/+\z}{};
    return $self;
}

# Let $work->($params, $context) do the tasks of a kind. What it returns is the output; `die` fails the attempt.
sub task {
    my ($self, $kind, $work) = @_;
    $kind =~ /^[A-Za-z0-9_.-]{1,128}\z/ or die "a kind of task is 1 to 128 letters, digits, _, - and .: '$kind'\n";
    $self->{tasks}{$kind} = $work;
    return $self;
}

# die AvtomatWorker::error('CARD_DECLINED', 'over the limit', {limit => 1000}): fail with a code of your own.
sub error {
    my ($code, $message, $details) = @_;
    return bless { code => $code, message => $message // '', details => $details }, 'AvtomatWorker::Error';
}

# return AvtomatWorker::result($data, 'charged'): end with a status word of your own.
sub result {
    my ($data, $status) = @_;
    return bless { data => $data, status => $status }, 'AvtomatWorker::Result';
}

# Work until SIGTERM or SIGINT; a second one ends at once. Dies when the engine does not want this worker.
sub run {
    my ($self) = @_;
    %{ $self->{tasks} } or die "the worker has no tasks: give it one with ->task(kind => sub { ... })\n";
    local $SIG{TERM} = sub { $self->_on_signal(15) };
    local $SIG{INT}  = sub { $self->_on_signal(2) };
    local $SIG{CHLD} = sub { };    # it ends a wait
    $self->_register_first or return;
    until ($self->{stopping}) { $self->_begin_what_is_due; $self->_wait(LOOK_S) }
    $self->_drain;
    $self->_request('PATCH', $self->_me, $self->_heartbeat('offline'), FLUSH_S);
    return;
}

sub _on_signal {
    my ($self, $number) = @_;
    if ($self->{stopping}++) {
        kill 'KILL', map { -$_->{pid} } values %{ $self->{running} };
        POSIX::_exit(128 + $number);
    }
    _log('stopping: running tasks may finish; the next signal ends at once');
    return;
}

sub _register_first {
    my ($self) = @_;
    my $failures = 0;
    until ($self->{stopping}) {
        my $answer = $self->_request('POST', '/workers/register', $self->_registration, REQUEST_S);
        return 1 if $answer->{good};
        die "the engine does not want this worker: $answer->{text}\n" unless $answer->{passing};
        my $pause_s = _pause_s($failures++, $answer);
        _log("not registered, the next try in %.1f s: %s", $pause_s, $answer->{text});
        _sleep($self, $pause_s);
    }
    return 0;
}

sub _begin_what_is_due {
    my ($self) = @_;
    my ($due, $now) = ($self->{due}, time);
    $self->_give_up_what_is_late($now);
    if ($now >= $due->{beat}) {
        $due->{beat} = 9e18;
        $self->_ask('beat', 'PATCH', $self->_me, $self->_heartbeat($self->_status), REQUEST_S, \&_on_beat);
    }
    if (@{ $self->{outbox} } && $now >= $due->{deliver}) {
        $due->{deliver} = 9e18;
        $self->_ask('deliver', 'POST', '/tasks/result', $self->{outbox}[0]{body}, REQUEST_S, \&_on_delivered);
    }
    if ($self->_takes_more && $now >= $due->{poll}) {
        $due->{poll} = 9e18;
        $self->{polled_at} = $now;
        $self->_ask('poll', 'GET', $self->_poll_path($self->_free, POLL_S), undef, POLL_S + REQUEST_S, \&_on_poll);
    }
    return;
}

sub _on_poll {
    my ($self, $answer) = @_;
    if (!$answer->{good}) {
        my $pause_s = _pause_s($self->{failures}{poll}++, $answer);
        _log('no tasks, the next poll in %.1f s: %s', $pause_s, $answer->{text});
        $self->{due}{poll} = time + $pause_s;
        $self->_register_again if $answer->{status} == 404;
        return;
    }
    $self->{nonce} = _nonce();
    my $tasks = $self->_tasks_of($answer);
    $self->_start($_) for @$tasks;
    if (@$tasks || time - $self->{polled_at} >= POLL_S / 2) {
        $self->{failures}{poll} = $self->{due}{poll} = 0;
    }
    else {    # an engine that does not let polls wait must not be asked in a loop
        $self->{due}{poll} = time + _pause_s($self->{failures}{poll}++, $answer);
    }
    return;
}

sub _tasks_of {
    my ($self, $answer) = @_;
    my $told = $answer->{body};
    my @tasks = ref $told eq 'ARRAY' ? @$told : ref $told eq 'HASH' ? ($told) : ();
    return [grep { defined $_->{job_id} && defined $_->{task_id} && defined $_->{type} } grep { ref eq 'HASH' } @tasks];
}

sub _on_beat {
    my ($self, $answer) = @_;
    my $interval_s = $self->_interval_s;
    if (!$answer->{good}) {
        my $pause_s = min(_pause_s($self->{failures}{beat}++, $answer), max($interval_s, BACKOFF_FIRST_S));
        _log('no heartbeat, the next one in %.1f s: %s', $pause_s, $answer->{text});
        $self->{due}{beat} = time + $pause_s;
        $self->_register_again if $answer->{status} == 404;
        return;
    }
    $self->{failures}{beat} = 0;
    my $orders = ref $answer->{body} eq 'HASH' ? $answer->{body} : {};
    $self->_give_up($_, 'unwanted') for @{ $orders->{cancel_task_ids} || [] };
    my $jitter_s = rand(1) * ($orders->{next_heartbeat_jitter_ms} || 0) / 1000;    # a proposal: it must not cost a lease
    my $next_s = $interval_s * (0.8 + rand(0.2)) + min($jitter_s, $interval_s / 2);
    $self->{due}{beat} = min($self->{due}{beat}, time + $next_s);
    $self->_register_again if $orders->{require_full_sync};
    return;
}

# A result that was accepted or ignored is done with; one that was refused is replaced by a failure that says so.
sub _on_delivered {
    my ($self, $answer) = @_;
    my $parcel = $self->{outbox}[0];
    my $is_old = time - $parcel->{ready_at} > RESULT_KEPT_S;
    my $is_refused = !$answer->{good} && !$answer->{passing} && $answer->{status} !~ /^40[134]\z/;
    if (!$answer->{good} && !$is_refused && !$is_old) {
        my $pause_s = _pause_s($self->{failures}{deliver}++, $answer);
        _log('results wait %.1f s more: %s', $pause_s, $answer->{text});
        $self->{due}{deliver} = time + $pause_s;
        $self->_register_again if $answer->{status} == 404;
        return;
    }
    shift @{ $self->{outbox} };
    $self->{failures}{deliver} = $self->{due}{deliver} = 0;
    if ($is_refused) {
        _log('the result of task %s was refused: %s', $parcel->{task}{task_id}, $answer->{text});
        my $fields = _failure('CONTRACT_VIOLATION_ERROR', "the result was refused: $answer->{text}");
        $self->_put($parcel->{task}, $fields, 0, 1) unless $parcel->{is_complaint};
    }
    elsif ($is_old) {
        _log('the result of task %s could not be delivered and is dropped', $parcel->{task}{task_id});
    }
    return;
}

# --- tasks ------------------------------------------------------------------------------------------------------------

sub _start {
    my ($self, $task) = @_;
    my $id = $task->{task_id};
    return if $self->{running}{$id};
    pipe(my $reading, my $writing) or die "no pipe: $!\n";
    my $pid = fork // die "no process: $!\n";
    if (!$pid) {
        close $reading;
        @SIG{qw(TERM INT CHLD)} = ('DEFAULT') x 3;
        srand;            # or all tasks would draw the same numbers
        setpgrp(0, 0);    # what stops the worker does not stop the task, and what stops the task stops all of it
        binmode $writing;
        print {$writing} $self->_do($task);
        close $writing;
        POSIX::_exit(0);
    }
    close $writing;
    my $now = time;
    my $left_s = defined $task->{deadline} ? $task->{deadline} - ($task->{timestamp} // $now) : undef;
    $self->{running}{$id} = {
        task => $task, pid => $pid, pipe => $reading, text => '', began_at => $now, why => undef, kill_at => 9e18,
        late_at => defined $left_s ? $now + $left_s + 0.5 : 9e18,
    };
    $self->{due}{beat} = min($self->{due}{beat}, $now + $self->_interval_s);
    return;
}

# In the task's own process: the fields of its result, as JSON.
sub _do {
    my ($self, $task) = @_;
    my $work = $self->{tasks}{ $task->{type} }
        or return _failure('PERMANENT_ERROR', "this worker has no task $task->{type}");
    my $context = bless {
        worker => $self, job_id => $task->{job_id}, task_id => $task->{task_id}, kind => $task->{type},
        attempt => $task->{attempt} // 1, idempotency_key => $task->{idempotency_key} // $task->{task_id},
        traceparent => ($task->{tracing_context} || {})->{traceparent},
    }, 'AvtomatWorker::Context';
    my $value;
    if (!eval { $value = $work->($task->{params}, $context); 1 }) {
        my $error = $@;
        if (ref $error eq 'AvtomatWorker::Error') {
            return eval { _failure(@{$error}{qw(code message details)}) }
                // _failure($error->{code}, "$error->{message} (details left out: $@)");
        }
        _log('task %s of job %s failed: %s', $task->{type}, $task->{job_id}, $error);
        return _failure('INTERNAL_ERROR', "$error");
    }
    my $result = ref $value eq 'AvtomatWorker::Result' ? {%$value} : { data => $value, status => 'success' };
    my $fields = eval { $json->encode($result) }
        // return _failure('CONTRACT_VIOLATION_ERROR', "the task returned what is not JSON: $@");
    return $fields if length $fields <= OUTPUT_BYTES_MAX;
    my $found = sprintf 'the output has %d bytes, at most %d are allowed', length $fields, OUTPUT_BYTES_MAX;
    return _failure('CONTRACT_VIOLATION_ERROR', $found);
}

sub _ended {
    my ($self, $id) = @_;
    my $run = delete $self->{running}{$id};
    waitpid $run->{pid}, 0;
    my $signal = $? & 127;
    kill 'KILL', -$run->{pid};    # what it left running
    my $fields = $run->{text};
    if (defined $run->{why}) {
        $fields = $run->{why} eq 'late'
            ? _failure('TIMEOUT_ERROR', 'the deadline passed before the task was done')
            : $json->encode({ status => 'cancelled', $run->{why} eq 'stopping' ? (given_back => JSON::PP::true) : () });
    }
    elsif ($fields !~ /\}\z/) {
        my $found = $signal ? "the task was ended by signal $signal" : 'the task ended itself';
        $fields = _failure('TRANSIENT_ERROR', $found);
    }
    $self->_put($run->{task}, $fields, time - $run->{began_at});
    return;
}

sub _put {
    my ($self, $task, $fields, $took_s, $is_complaint) = @_;
    my $head = $json->encode({
        job_id => $task->{job_id}, task_id => $task->{task_id}, worker_id => $self->{worker_id},
        costs => { execution_time_seconds => 0 + sprintf '%.3f', $took_s }, timestamp => int time,
    });
    my $body = substr($head, 0, -1) . ',' . substr $fields, 1;
    push @{ $self->{outbox} }, { task => $task, body => $body, ready_at => time, is_complaint => $is_complaint };
    return;
}

# The first reason counts: unwanted, late or stopping.
sub _give_up {
    my ($self, $id, $why) = @_;
    my $run = $self->{running}{$id} or return;
    return if defined $run->{why};
    @{$run}{qw(why kill_at)} = ($why, time + KILL_AFTER_S);
    kill 'TERM', -$run->{pid}, $run->{pid};
    return;
}

sub _give_up_what_is_late {
    my ($self, $now) = @_;
    for my $id (keys %{ $self->{running} }) {
        my $run = $self->{running}{$id};
        $self->_give_up($id, 'late') if $now >= $run->{late_at};
        kill 'KILL', -$run->{pid} if $now >= $run->{kill_at};
    }
    return;
}

# --- stopping ---------------------------------------------------------------------------------------------------------

sub _drain {
    my ($self) = @_;
    for my $asked (grep { $_->{name} eq 'poll' } values %{ $self->{asked} }) {
        kill 'KILL', $asked->{pid};
        $asked->{done} = sub { };
    }
    $self->{due}{beat} = 0;
    $self->{nonce} = _nonce();
    # what is left of the last poll: ask for nothing, and say what is held, so that the rest is released
    my $released = 0;
    $self->_ask('poll', 'GET', $self->_poll_path(0, 0), undef, FLUSH_S, sub { $released = 1 });
    $self->_until($self->{drain_s}, sub { !%{ $self->{running} } });
    $self->_give_up($_, 'stopping') for keys %{ $self->{running} };
    $self->_until(2 * KILL_AFTER_S, sub { !%{ $self->{running} } });
    $self->_until(FLUSH_S, sub { $released && !@{ $self->{outbox} } });
    _log('%d results could not be delivered before the stop', scalar @{ $self->{outbox} }) if @{ $self->{outbox} };
    kill 'KILL', keys %{ $self->{asked} };
    return;
}

sub _until {
    my ($self, $seconds, $condition) = @_;
    my $end = time + $seconds;
    while (!$condition->() && time < $end) { $self->_begin_what_is_due; $self->_wait(0.1) }
    return;
}

# --- requests ---------------------------------------------------------------------------------------------------------

# Send a request from a process of its own; $done->($self, $answer) hears how it ended.
sub _ask {
    my ($self, $name, $method, $path, $body, $timeout_s, $done) = @_;
    pipe(my $reading, my $writing) or die "no pipe: $!\n";
    my $pid = fork // die "no process: $!\n";
    if (!$pid) {
        close $reading;
        @SIG{qw(TERM INT CHLD)} = ('IGNORE', 'IGNORE', 'DEFAULT');    # the worker ends it when it has to end
        my $answer = $self->_send($method, $path, $body, $timeout_s);
        binmode $writing;
        print {$writing} join "\n", $answer->{status}, $answer->{headers}{'retry-after'} // '', $answer->{content};
        close $writing;
        POSIX::_exit(0);
    }
    close $writing;
    $self->{asked}{$pid} = { name => $name, pid => $pid, pipe => $reading, text => '', done => $done };
    return;
}

# The same at once.
sub _request {
    my ($self, $method, $path, $body, $timeout_s) = @_;
    my $answer = $self->_send($method, $path, $body, $timeout_s);
    return _answer($answer->{status}, $answer->{headers}{'retry-after'}, $answer->{content});
}

sub _send {
    my ($self, $method, $path, $body, $timeout_s) = @_;
    my %headers = ('X-Worker-ID' => $self->{worker_id}, 'X-RXON-Version' => '1.0b17');
    $headers{'X-Worker-Token'} = $self->{token} if length $self->{token};
    $headers{'Content-Type'} = 'application/json' if defined $body;
    # a redirect is not followed: it would carry the token elsewhere
    my $http = HTTP::Tiny->new(max_redirect => 0, timeout => $timeout_s, verify_SSL => 1);
    my %options = (headers => \%headers, defined $body ? (content => $body) : ());
    return $http->request($method, "$self->{url}/_worker$path", \%options);
}

sub _answer {
    my ($status, $retry_after, $content) = @_;
    my $text = "the engine answered $status: " . substr $content, 0, 300;
    $text = 'no answer: ' . substr $content, 0, 300 if $status == 599;    # HTTP::Tiny's word for it
    my %answer = (status => $status, text => $text, passing => $status >= 500 || $status =~ /^(408|425|429)\z/);
    $answer{retry_after_s} = $1 if ($retry_after // '') =~ /^(\d{1,9}(?:\.\d{1,9})?)\z/;
    return \%answer if $status !~ /^2/;
    @answer{qw(body good)} = (undef, 1);
    if (length $content && !eval { $answer{body} = $json->decode($content); 1 }) {
        @answer{qw(good passing text)} = (0, 1, "the engine's answer is not JSON: " . substr $content, 0, 80);
    }
    return \%answer;
}

# Wait for pipes, at most so long, and take what came.
sub _wait {
    my ($self, $seconds) = @_;
    my $set = '';
    my @all = (values %{ $self->{asked} }, values %{ $self->{running} });
    vec($set, fileno $_->{pipe}, 1) = 1 for @all;
    my $now = time;
    my @due = @{ $self->{due} }{qw(beat), @{ $self->{outbox} } ? 'deliver' : (), $self->_takes_more ? 'poll' : ()};
    my $until_due_s = max(0.01, min(map { $_ - $now } @due));
    return if select(my $ready = $set, undef, undef, min($seconds, $until_due_s)) <= 0;
    for my $each (grep { vec $ready, fileno $_->{pipe}, 1 } @all) {
        my $read = sysread $each->{pipe}, $each->{text}, 65_536, length $each->{text};
        next if $read || !defined $read && $!{EINTR};
        close $each->{pipe};
        if ($each->{task}) { $self->_ended($each->{task}{task_id}); next }
        waitpid $each->{pid}, 0;
        delete $self->{asked}{ $each->{pid} };
        my ($status, $retry_after, $content) = split /\n/, $each->{text}, 3;
        $each->{done}->($self, _answer($status || 599, $retry_after, $content // 'the request was lost'));
    }
    return;
}

# --- what is said -----------------------------------------------------------------------------------------------------

sub _me { return "/workers/$_[0]{worker_id}" }

sub _held { return (keys %{ $_[0]{running} }, map { $_->{task}{task_id} } @{ $_[0]{outbox} }) }

sub _free { return max(0, $_[0]{concurrency} - keys %{ $_[0]{running} }) }

sub _takes_more {
    my ($self) = @_;
    return !$self->{stopping} && $self->_free && @{ $self->{outbox} } < RESULTS_HELD_MAX;
}

sub _poll_path {
    my ($self, $max, $timeout_s) = @_;
    my $holding = join ',', $self->_held;
    my %query = (
        timeout => $timeout_s, max => min($max, 100), nonce => $self->{nonce},
        available_skills => join(',', sort keys %{ $self->{tasks} }),
        length $holding <= HOLDING_MAX ? (holding => $holding) : (),
    );
    return $self->_me . '/tasks/next?' . HTTP::Tiny->www_form_urlencode(\%query);
}

sub _registration {
    my ($self) = @_;
    my @kinds = sort keys %{ $self->{tasks} };
    return $json->encode({
        worker_id => $self->{worker_id}, worker_type => 'perl', available_skills => \@kinds,
        supported_skills => [map { { name => $_ } } @kinds], capabilities => { hostname => hostname() },
        timestamp => int time,
    });
}

sub _register_again {
    my ($self) = @_;
    my $told = sub { _log('not registered again: %s', $_[1]{text}) unless $_[1]{good} };
    $self->_ask('register', 'POST', '/workers/register', $self->_registration, REQUEST_S, $told);
    return;
}

sub _heartbeat {
    my ($self, $status) = @_;
    my @held = $self->_held;
    return $json->encode({
        worker_id => $self->{worker_id}, status => $status, current_tasks => \@held, timestamp => int time,
    });
}

sub _status {
    my ($self) = @_;
    return 'draining' if $self->{stopping};
    return !$self->_free ? 'full' : %{ $self->{running} } ? 'busy' : 'idle';
}

sub _interval_s {
    my ($self) = @_;
    my @held = (values %{ $self->{running} }, @{ $self->{outbox} });    # a result is of no use after its lease
    my @leases = map { $_->{task}{lease_s} || LEASE_DEFAULT_S } @held;
    return @leases ? min(CANCEL_HEARD_S, min(@leases) / 3) : LEASE_DEFAULT_S / 3;
}

sub _failure {
    my ($code, $message, $details) = @_;
    my $error = { code => $code, message => substr($message, 0, 2_000), details => $details };
    return $json->encode({ status => 'failure', error => $error });
}

# Doubling, jittered, never shorter than the engine asked for.
sub _pause_s {
    my ($failures, $answer) = @_;
    my $ceiling_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2**min($failures, 30));
    return max($ceiling_s * (0.5 + rand 0.5), min($answer->{retry_after_s} // 0, RETRY_AFTER_MAX_S));
}

sub _sleep {
    my ($self, $seconds) = @_;
    my $end = time + $seconds;
    while (!$self->{stopping} && (my $left_s = $end - time) > 0) { select undef, undef, undef, $left_s }
    return;
}

sub _nonce { return join '', map { sprintf '%08x', rand 2**32 } 1 .. 3 }

sub _invented_id {
    my $host = substr hostname() =~ s/[^A-Za-z0-9_-]/-/gr, 0, 64;
    return sprintf '%s-%d-%08x', $host, $$, rand 2**32;
}

sub _log {
    my ($format, @values) = @_;
    my $line = sprintf $format, @values;
    chomp $line;
    print {*STDERR} "avtomat-worker: $line\n";
    return;
}

package AvtomatWorker::Context;

# Tell the engine how far the task is, 0 to 1; what cannot be delivered costs nothing.
sub progress {
    my ($self, $fraction, $message) = @_;
    my $worker = $self->{worker};
    my $event = $json->encode({
        event_id => AvtomatWorker::_nonce(),
        worker_id => $worker->{worker_id}, origin_worker_id => $worker->{worker_id},
        event_type => 'progress', payload => { progress => $fraction, message => $message // '' },
        target_job_id => $self->{job_id}, target_task_id => $self->{task_id}, timestamp => int time,
    });
    my $answer = $worker->_request('POST', '/events', $event, AvtomatWorker::FLUSH_S);
    AvtomatWorker::_log('progress is lost: %s', $answer->{text}) unless $answer->{good};
    return;
}

1;
