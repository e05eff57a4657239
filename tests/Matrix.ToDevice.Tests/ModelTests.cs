using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// Drives the module through random histories of sends, retries, syncs with every kind of token, device removals and
/// logins, and compares each answer with what a model of a few lines says (R40–R56, D4, D6, D10, D11, D12, D18).
/// </summary>
[Category("Slow")]
public class ModelTests
{
    private const int Devices = 3;

    [Test]
    public async Task Every_history_is_answered_as_the_model_says()
    {
        await using var server = await TestHomeserver.StartAsync();
        var histories = 0;

        // Each history has a user of its own, so that one server serves them all.
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300).WithEndSize(120), Prop.ForAll(Histories(), history =>
            RunAsync(history, new SystemUnderTest(server, $"@user{histories++}:hs1")).GetAwaiter().GetResult()));
    }

    private static Arbitrary<Step[]> Histories()
    {
        var step =
            from action in Gen.Frequency(
                (8, Gen.Constant(Action.Send)), (3, Gen.Constant(Action.Retry)), (8, Gen.Constant(Action.Sync)),
                (3, Gen.Constant(Action.OldToken)), (1, Gen.Constant(Action.ForeignToken)), (1, Gen.Constant(Action.FirstSync)),
                (1, Gen.Constant(Action.Remove)), (1, Gen.Constant(Action.Login)))
            from device in Gen.Choose(0, Devices - 1)
            from other in Gen.Choose(0, Devices)
            from pick in Gen.Choose(0, 1000)
            select new Step(action, device, other, pick);
        return Arb.From(step.ArrayOf(), ShrinkByLeavingOut);
    }

    private static IEnumerable<Step[]> ShrinkByLeavingOut(Step[] steps)
    {
        for (var size = steps.Length / 2; size > 0; size /= 2)
            for (var start = 0; start + size <= steps.Length; start += size)
                yield return [.. steps[..start], .. steps[(start + size)..]];
    }

    private static async Task RunAsync(Step[] history, SystemUnderTest system)
    {
        var model = new Model();
        foreach (var step in history) await ApplyAsync(step, system, model);

        // At the end, every device takes what is left.
        for (var device = 0; device < Devices; device++)
            while (model.Pending(device).Count > 0) await ApplyAsync(new Step(Action.Sync, device, 0, 2), system, model);
    }

    private static async Task ApplyAsync(Step step, SystemUnderTest system, Model model)
    {
        switch (step.Action)
        {
            case Action.Send:
                var send = model.NewSend(step.Device, step.Other);
                Assert.That(await system.SendAsync(send), Is.EqualTo(model.Send(send)));
                break;
            case Action.Retry when model.Sends.Count > 0:
                var earlier = model.Sends[step.Pick % model.Sends.Count];
                Assert.That(await system.SendAsync(earlier), Is.EqualTo(model.Send(earlier)));
                break;
            case Action.Sync:
                await SyncAsync(model.LastToken(step.Device));
                break;
            case Action.OldToken when model.Tokens(step.Device) is { Count: > 0 } tokens:
                await SyncAsync(tokens[step.Pick % tokens.Count]);
                break;
            case Action.FirstSync:
                await SyncAsync(null);
                break;
            case Action.ForeignToken when model.LastToken((step.Device + 1) % Devices) is { } foreign:
                Assert.That(
                    async () => await system.SyncAsync(step.Device, foreign.Text, 1),
                    Throws.TypeOf<ToDeviceErrorException>());
                break;
            case Action.Remove:
                model.Remove(step.Device);
                await system.RemoveAsync(step.Device);
                break;
            case Action.Login:
                model.Login(step.Device);
                system.Login(step.Device);
                break;
        }

        async Task SyncAsync(Model.Token? token)
        {
            var limit = 1 + step.Pick % 4;
            var (contents, nextBatch) = await system.SyncAsync(step.Device, token?.Text, limit);
            Assert.That(contents, Is.EqualTo(model.Sync(step.Device, token, limit, nextBatch)));
            if (contents.Count > 0) Assert.That(nextBatch, Is.Not.EqualTo(token?.Text), "D18");
        }
    }

    private enum Action { Send, Retry, Sync, OldToken, ForeignToken, FirstSync, Remove, Login }

    private sealed record Step(Action Action, int Device, int Other, int Pick);

    /// <param name="Recipient">A device's number, or <see cref="Devices"/> for all.</param>
    private sealed record Send(int Sender, int Recipient, string TxnId, string Content);

    /// <summary>What is promised, in the simplest form: lists.</summary>
    private sealed class Model
    {
        private readonly bool[] _exists = [true, true, true];
        private readonly int[] _life = new int[Devices];
        private readonly List<string>[] _pending = [[], [], []];
        private readonly int[] _acknowledged = new int[Devices];
        private readonly List<Token>[] _tokens = [[], [], []];
        private readonly HashSet<(int Sender, int Life, string TxnId)> _committed = [];

        public List<Send> Sends { get; } = [];

        public List<string> Pending(int device) => _pending[device];

        public List<Token> Tokens(int device) => _tokens[device];

        public Token? LastToken(int device) => _tokens[device].LastOrDefault();

        public Send NewSend(int sender, int recipient)
        {
            var send = new Send(sender, recipient, $"t{Sends.Count}", $"content {Sends.Count}");
            Sends.Add(send);
            return send;
        }

        /// <summary>Whether the send is accepted; a retry is, without delivering again.</summary>
        public bool Send(Send send)
        {
            if (!_exists[send.Sender]) return false;
            if (!_committed.Add((send.Sender, _life[send.Sender], send.TxnId))) return true;
            for (var device = 0; device < Devices; device++)
                if (_exists[device] && (send.Recipient == device || send.Recipient == Devices)) _pending[device].Add(send.Content);
            return true;
        }

        public List<string> Sync(int device, Token? token, int limit, string nextBatch)
        {
            // A token acknowledges as many messages of its life as had been handed out with it.
            if (token is not null && token.Life == _life[device] && token.Upto > _acknowledged[device])
            {
                _pending[device].RemoveRange(0, token.Upto - _acknowledged[device]);
                _acknowledged[device] = token.Upto;
            }

            var page = _pending[device].Take(limit).ToList();
            var upto = page.Count > 0 ? _acknowledged[device] + page.Count : token?.Life == _life[device] ? token.Upto : 0;
            _tokens[device].Add(new Token(nextBatch, _life[device], upto));
            return page;
        }

        public void Remove(int device)
        {
            _exists[device] = false;
            _life[device]++;
            _pending[device].Clear();
            _acknowledged[device] = 0;
        }

        public void Login(int device) => _exists[device] = true;

        internal sealed record Token(string Text, int Life, int Upto);
    }

    private sealed class SystemUnderTest
    {
        private readonly TestHomeserver _server;
        private readonly string _userId;
        private readonly TestClient[] _clients = new TestClient[Devices];

        public SystemUnderTest(TestHomeserver server, string userId)
        {
            _server = server;
            _userId = userId;
            for (var device = 0; device < Devices; device++) Login(device);
        }

        public void Login(int device) => _clients[device] = _server.Login(_userId, DeviceId(device));

        public Task RemoveAsync(int device) => _server.LogoutAsync(_userId, DeviceId(device));

        /// <summary>Whether the send is accepted; the other answer is that the token is void.</summary>
        public async Task<bool> SendAsync(Send send)
        {
            var response = await _clients[send.Sender].SendAsync(
                send.TxnId, _userId, send.Recipient == Devices ? "*" : DeviceId(send.Recipient), $$"""{"text":"{{send.Content}}"}""");
            if (response.Status != 200) response.ShouldBe(401, "M_UNKNOWN_TOKEN");
            return response.Status == 200;
        }

        public async Task<(List<string> Contents, string NextBatch)> SyncAsync(int device, string? since, int limit)
        {
            using var batch = await _server.ToDevice.NextAsync(
                new DeviceAddress(_userId, DeviceId(device)), since, limit, TimeSpan.Zero, default);
            return ([.. batch.Events.Select(message => (string)JsonNode.Parse(message.Content.Span)!["text"]!)], batch.NextBatch);
        }

        private static string DeviceId(int device) => $"D{device}";
    }
}
