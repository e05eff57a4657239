using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Matrix.ToDevice.Tests;

/// <summary>A machine of several that takes calls and answers none. Unless a test lets time pass, nobody finds that out, and whoever waits for it waits for ever.</summary>
public class DistributedHangTests
{
    private const string Intents = "SELECT count(*) FROM to_device.to_device_intent";

    private static readonly List<string> s_others = DistributedUsers.Of(bucket => !Hangs(bucket), 12), s_users = DistributedUsers.Of(Hangs, 12);

    private readonly DistributedTime _time = new();
    private DistributedProxy _proxy = null!;
    private DatabaseView _view = null!;
    private Host _host = null!;

    [SetUp]
    public async Task SetUpAsync()
    {
        var database = TestCluster.NewDatabase();
        _view = new DatabaseView(database);
        // What a cluster's catalogue says of two machines.
        _view.Execute("""
            CREATE TABLE public.pg_dist_node (groupid integer, nodename text, nodeport integer, noderole text);
            INSERT INTO public.pg_dist_node VALUES (1, 'one', 5432, 'primary'), (1, 'standby', 5432, 'secondary'), (2, 'two', 5432, 'primary');
            CREATE TABLE public.pg_dist_placement AS SELECT s::bigint AS shardid, 1 + s % 2 AS groupid FROM generate_series(0, 3) s;
            CREATE FUNCTION public.get_shard_id_for_distribution_column(regclass, integer) RETURNS bigint LANGUAGE sql AS 'SELECT ($2 % 4)::bigint';
            """);
        _proxy = new DistributedProxy(TestCluster.Cluster.Port);
        _host = new Host(
            $"{database};Port={_proxy.Port};Command Timeout=600",
            options => (options.Layout, options.Notifications) = (PostgreSqlLayout.CitusReady, false),
            builder => builder.Services.AddSingleton<TimeProvider>(_time));
        foreach (var user in (string[])[.. s_others, .. s_users]) await SendAsync(user, "first", "first", user);
    }

    [TearDown]
    public async Task TearDownAsync()
    {
        _proxy.GoOn();
        await _host.DisposeAsync();
        _proxy.Dispose();
    }

    [Test]
    public async Task D4_D12_D13_a_machine_that_hangs_holds_up_its_own_users_and_nobody_else()
    {
        _proxy.Hang(Hangs);
        Task[] own = [.. s_users.SelectMany(user => (Task[])[SendAsync(user, "own", "own", user), ReadAsync(user), ReadAsync(user), AcknowledgeAsync(user)])];
        var toThem = s_others.Zip(s_users, (sender, recipient) => SendAsync(sender, "crossing", "crossing", recipient)).ToArray();
        while (_proxy.Held < 4) await TimeLimit.OneMoreTurnAsync();

        // Nobody knows yet that it hangs.
        for (var n = 0; n < 5; n++)
        {
            foreach (var user in s_others)
            {
                Assert.That(await SendAsync(user, $"t{n}", $"{n}", user, s_others[0]), Is.EqualTo(CommitResult.Committed));
                Assert.That(await ReadAsync(user), Does.Contain($"{n}"));
            }
        }

        Assert.That(own.Concat(toThem).Where(task => task.IsCompleted), Is.Empty);

        await ItIsKnownToHangAsync();
        foreach (var task in own) Assert.That(() => task.WaitAsync(TimeLimit.OfOneWait), Throws.TypeOf<PostgreSqlStoreException>().With.Message.EqualTo("two:5432 does not answer."));
        Assert.That(await Task.WhenAll(toThem).WaitAsync(TimeLimit.OfOneWait), Is.All.EqualTo(CommitResult.Committed));

        // Now nobody waits for it.
        var held = _proxy.Held;
        for (var n = 0; n < 5; n++)
        {
            for (var i = 0; i < s_others.Count; i++)
            {
                Assert.That(await SendAsync(s_others[i], $"later{n}", $"later{n}", s_users[i]), Is.EqualTo(CommitResult.Committed));
                Assert.That(() => ReadAsync(s_users[i]), Throws.TypeOf<PostgreSqlStoreException>());
            }
        }

        Assert.That(_proxy.Held, Is.EqualTo(held), "it is asked once, and not by everybody");
        Assert.That((await _host.HealthAsync()).Description, Does.Contain("128 of 256").And.Contain("two:5432 does not answer"));

        _proxy.GoOn();
        _time.Passes();
        while (_view.Count(Intents) > 0 || (await _host.HealthAsync()).Status != HealthStatus.Healthy) await TimeLimit.OneMoreTurnAsync();
        for (var i = 0; i < s_users.Count; i++)
        {
            Assert.That(await SendAsync(s_users[i], "own", "own", s_users[i]), Is.AnyOf(CommitResult.Committed, CommitResult.AlreadyCommitted));
            var contents = await ReadAsync(s_users[i]);
            Assert.That(contents, Is.Unique.And.EquivalentTo(new[] { "first", "crossing", "own" }.Concat(Enumerable.Range(0, 5).Select(n => $"later{n}"))));
            Assert.That(
                contents.Where(content => content is not ("first" or "own")), Is.EqualTo(Enumerable.Range(0, 5).Select(n => $"later{n}").Prepend("crossing")), "D12");
        }
    }

    [Test]
    public async Task D4_a_send_to_very_many_of_a_machine_that_hangs_leaves_others_their_places()
    {
        _proxy.Hang(Hangs);
        var many = _host.SendAsync(s_others[0], "many", "many", DistributedUsers.Of(Hangs, 100));
        while (_proxy.Held < 2) await TimeLimit.OneMoreTurnAsync();

        foreach (var user in s_others) Assert.That(await _host.SendAsync(user, "t0", "0", s_others), Is.EqualTo(CommitResult.Committed));
        Assert.That(many.IsCompleted, Is.False);
        await ItIsKnownToHangAsync();
        Assert.That(await many.WaitAsync(TimeLimit.OfOneWait), Is.EqualTo(CommitResult.Committed));
    }

    [Test]
    public async Task D16_the_outbox_of_other_machines_goes_on_beside_one_that_hangs()
    {
        var (held, free) = (Destination(Hangs), Destination(bucket => !Hangs(bucket)));
        await SendToAsync(s_others[0], "t0", held, free);
        _proxy.Hang(Hangs);
        var waiting = Enumerable.Range(0, 20).Select(_ => _host.Outbox.ReadAsync(held, 0, 10, default).AsTask()).ToArray();
        while (_proxy.Held == 0) await TimeLimit.OneMoreTurnAsync();
        var edus = await _host.Outbox.ReadAsync(free, 0, 10, default);
        await _host.Outbox.RemoveAsync(free, edus, default);
        Assert.That(waiting.Where(task => task.IsCompleted), Is.Empty);

        await ItIsKnownToHangAsync();
        foreach (var task in waiting) Assert.That(() => task.WaitAsync(TimeLimit.OfOneWait), Throws.TypeOf<PostgreSqlStoreException>());
        await SendToAsync(s_others[0], "t1", held, free);
        var leases = await _host.Outbox.AcquireAsync("holder", TimeSpan.FromMinutes(1), 10, 10, TimeSpan.FromMinutes(1), default);
        Assert.That(leases.Select(lease => lease.Destination), Is.EqualTo(new[] { free }));

        _proxy.GoOn();
        _time.Passes();
        while (_view.Count(Intents) > 0) await TimeLimit.OneMoreTurnAsync();
        Assert.That(await _host.Outbox.ReadAsync(held, 0, 10, default), Has.Count.EqualTo(2));
    }

    [Test]
    public async Task D13_a_shard_that_takes_no_commits_while_it_is_moved_does_not_stop_the_others_of_its_machine()
    {
        const string Asked = "SELECT coalesce(max((extract(epoch FROM taken_at) * 1000000)::bigint), 0) FROM to_device.to_device_upkeep WHERE bucket = 3 AND task = 'watch'";
        _proxy.Hang(bucket => bucket % 4 == 1);
        var user = DistributedUsers.Of(bucket => bucket % 4 == 3, 1)[0];
        _time.Passes();
        var last = 0L;
        for (var answers = 0; answers < 5; await ReadAsync(user))
        {
            if (_view.Count(Asked) is var asked && asked > last) (last, answers) = (asked, answers + 1);
        }

        Assert.That(_proxy.Held, Is.Positive, "it is silent where it is moved");
        Assert.That((await _host.HealthAsync()).Description ?? "", Does.Not.Contain("does not answer"));
    }

    [Test]
    public async Task D13_a_machine_whose_disk_is_full_is_read_all_the_same()
    {
        _view.Execute("""
            CREATE SEQUENCE public.refusals;
            CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN
                IF NEW.bucket % 2 = 0 THEN RETURN NEW; END IF;
                PERFORM nextval(''public.refusals'');
                RAISE ''full'' USING ERRCODE = ''53100'';
            END';
            CREATE TRIGGER refuse BEFORE INSERT ON to_device.to_device_upkeep FOR EACH ROW EXECUTE FUNCTION public.refuse();
            """);
        _time.Passes();
        // The second time, what the first one said is known.
        while (_view.Count("SELECT last_value FROM public.refusals") < 2) Assert.That(await ReadAsync(s_users[0]), Is.EqualTo(new[] { "first" }));
        Assert.That(await ReadAsync(s_users[0]), Is.EqualTo(new[] { "first" }));
    }

    private async Task ItIsKnownToHangAsync()
    {
        _time.Passes();
        while ((await _host.HealthAsync()).Description?.Contains("does not answer", StringComparison.Ordinal) is not true) await TimeLimit.OneMoreTurnAsync();
        _time.Stops();
    }

    private Task<CommitResult> SendAsync(string sender, string txnId, string content, params string[] recipients) =>
        _host.SendAsync(sender, txnId, content, recipients);

    private async Task SendToAsync(string sender, string txnId, params string[] destinations)
    {
        await using var transaction = (await _host.Transactions.BeginAsync(DistributedUsers.Key(sender, txnId), _host.Transactions.KnownRemovals, default))!;
        await _host.Outbox.AppendAsync(
            transaction, [.. destinations.Select(destination => new OutboundEdu(destination, $"{txnId} {destination}", "{}"u8.ToArray()))], default);
        Assert.That(await transaction.CommitAsync(default), Is.EqualTo(CommitResult.Committed));
    }

    private Task<List<string>> ReadAsync(string user) => _host.ReadOfAsync(user);

    private async Task AcknowledgeAsync(string user) =>
        await _host.Inbox.AcknowledgeAsync(DistributedUsers.Device(user), InboxPosition.Start, default);

    private static bool Hangs(int bucket) => bucket % 2 == 1;

    private static string Destination(Predicate<int> buckets) =>
        Enumerable.Range(0, 1000).Select(n => $"hs{n}").First(name => buckets(DistributedUsers.BucketOf(name) % 16));
}
