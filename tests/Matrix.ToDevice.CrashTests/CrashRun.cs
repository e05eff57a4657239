using System.Net.Http.Json;
using System.Text.Json;

namespace Matrix.ToDevice.Tests;

/// <summary>A server under load of which something is killed and started again, again and again.</summary>
internal sealed class CrashRun(ICrashTarget target, int seed)
{
    private const int Senders = 16, Receivers = 4;

    private static readonly TimeSpan s_recovery = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(10);

    private readonly Random _random = new(seed);
    private readonly History _history = new();

    public async Task<Summary> RunAsync(int kills)
    {
        await target.StartAsync();
        var senders = await RegisterAsync(() => target.Address, Senders, i => $"sender{i}", _ => "S");
        var receivers = await RegisterAsync(() => target.ReceiverAddress, Receivers, _ => "receiver", i => $"R{i}");

        var clients = new LoadClients(() => target.Address, () => target.ReceiverAddress, _history, senders, receivers, seed)
        {
            MaxBacklog = target.MaxBacklog,
        };
        using var stopSending = new CancellationTokenSource();
        using var stopReceiving = new CancellationTokenSource();
        var sending = clients.SendAsync(int.MaxValue, stopSending.Token);
        var receiving = clients.ReceiveAsync(stopReceiving.Token);
        for (var kill = 0; kill < kills; kill++)
        {
            // Every other crash hits what works again, however long that takes on a busy machine; the others whatever there is.
            if (kill % 2 == 0) await UntilSomethingArrivesAsync(receiving);
            // This is not waiting for something: the moment of the crash has to be left to chance.
            await Task.WhenAny(sending, receiving, Task.Delay(_random.Next(50, 1500)));
            await target.CrashAsync(() => Unanswered(senders));
        }

        await stopSending.CancelAsync();
        await sending;
        await target.DrainAsync();
        await stopReceiving.CancelAsync();
        await receiving;
        return new Summary(
            kills, _history.Sends.Count, _history.Sends.Count(send => send.Outcome == History.Outcome.Refused),
            _history.Retries, await target.CountCommittedUnansweredAsync(), _history.Received.Values.Sum(received => received.Count), Checker.Check(_history));
    }

    private async Task UntilSomethingArrivesAsync(Task receiving)
    {
        using var limit = new CancellationTokenSource(s_recovery);
        for (var before = _history.ReceivedCount; _history.ReceivedCount == before && !receiving.IsCompleted;)
        {
            Assert.That(limit.IsCancellationRequested, Is.False, "Nothing arrives any more.");
            await Task.Delay(s_look);
        }
    }

    private List<TransactionKey> Unanswered(Account[] senders) => [.. _history.Unanswered().Select(send => new TransactionKey(
        senders[send.Sender].UserId, senders[send.Sender].DeviceId, TransactionKey.SendToDevice, "m.test", send.TxnId))];

    internal static async Task<Account[]> RegisterAsync(Func<Uri> server, int count, Func<int, string> name, Func<int, string> deviceId)
    {
        using var http = new HttpClient();
        var accounts = new Account[count];
        for (var i = 0; i < count; i++)
        {
            // The devices of one user: the first registers it, the others log in.
            var isNew = i == 0 || name(i) != name(0);
            var body = isNew
                ? (object)new { auth = new { type = "m.login.dummy" }, username = name(i), password = "secret", device_id = deviceId(i) }
                : new { type = "m.login.password", identifier = new { type = "m.id.user", user = name(i) }, password = "secret", device_id = deviceId(i) };
            using var response = await http.PostAsJsonAsync(new Uri(server(), $"_matrix/client/v3/{(isNew ? "register" : "login")}"), body);
            response.EnsureSuccessStatusCode();
            using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
            accounts[i] = new Account(
                json.RootElement.GetProperty("user_id").GetString()!, deviceId(i), json.RootElement.GetProperty("access_token").GetString()!);
        }

        return accounts;
    }

    /// <param name="Kills">How often something was killed.</param>
    /// <param name="Sends">How many sends the clients made.</param>
    /// <param name="Refused">How many of them had to be refused.</param>
    /// <param name="Retries">How many requests were repeated.</param>
    /// <param name="CommittedUnanswered">How many sends a kill hit between commit and answer.</param>
    /// <param name="Delivered">How many messages the devices received.</param>
    /// <param name="Result">What was wrong.</param>
    internal sealed record Summary(
        int Kills, int Sends, int Refused, int Retries, int CommittedUnanswered, int Delivered, Checker Result)
    {
        public override string ToString() =>
            $"{Kills} kills, {Sends} sends ({Refused} refused), {Retries} retries, {CommittedUnanswered} committed and unanswered at a kill, "
            + $"{Delivered} messages delivered: {Result.Lost} lost, {Result.Duplicated} duplicated, {Result.OutOfOrder} out of order, "
            + $"{Result.Unexpected} unexpected";
    }
}
