using System.Buffers;
using BenchmarkDotNet.Attributes;
using Matrix.ToDevice.Bench;

namespace Matrix.ToDevice.Pieces;

/// <summary>From the bytes of a request to the messages of its recipients.</summary>
public class BodyPieces
{
    private static readonly SendToDeviceOptions s_options = new();
    private static readonly Everybody s_directory = new();

    private byte[] _json = [];
    private SendBody? _body;

    [Params("a", "b", "c")]
    public string Body { get; set; } = "a";

    [GlobalSetup]
    public void SetUp()
    {
        _json = Matrix.ToDevice.Bench.Body.All.Single(body => body.Name == Body).Json(0);
        _body = ParseBody();
    }

    [Benchmark]
    public void Parse() => ParseBody().Dispose();

    [Benchmark]
    public async Task FindRecipients()
    {
        using var recipients = new Recipients(new SendHead("@sender:example.org", "m.room.encrypted", 1), _body!, s_options.MaxEduBytes);
        await recipients.FindAsync(s_directory, RemoteUsers.GetEdus, null, CancellationToken.None);
    }

    private SendBody ParseBody()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(_json.Length);
        _json.CopyTo(buffer, 0);
        return SendBodyParser.Parse(buffer, _json.Length, s_options);
    }

    /// <summary>Everybody exists, and has one device.</summary>
    private sealed class Everybody : IDeviceDirectory
    {
        private static readonly UserDevices s_devices = UserDevices.Local(new HashSet<string> { Matrix.ToDevice.Bench.Body.DeviceId });

        public ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
        {
            var devices = new UserDevices[userIds.Count];
            Array.Fill(devices, s_devices);
            return ValueTask.FromResult<IReadOnlyList<UserDevices>>(devices);
        }
    }
}
