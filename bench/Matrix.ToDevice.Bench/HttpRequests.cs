using System.Globalization;
using System.Text;

namespace Matrix.ToDevice.Bench;

/// <summary>What a client sends, one request after the other.</summary>
internal abstract class HttpRequests
{
    /// <summary>How every answer ends.</summary>
    public abstract byte[] End { get; }

    /// <summary>The bytes of a request, until the next call.</summary>
    public abstract ReadOnlyMemory<byte> Next(int number);

    /// <summary>A body, in a transaction of its own each time. The access token says who sends it.</summary>
    public static HttpRequests Sends(string token, Body body, int firstNumber) => new SendRequests(token, body.Json(firstNumber % Body.Recipients), firstNumber);

    /// <summary>A body that names just these users.</summary>
    public static HttpRequests Send(string token, IEnumerable<int> recipients, int number) => new SendRequests(
        token,
        Body.All[0].JsonTo(recipients),
        number);

    /// <summary>The same sync again and again.</summary>
    /// <param name="token">Who syncs.</param>
    /// <param name="since">A token; null for a first sync.</param>
    /// <param name="isChunked">Whether the answer comes in chunks, as a page does.</param>
    public static HttpRequests Syncs(string token, string? since, bool isChunked) => new SyncRequests(token, since, isChunked);

    private sealed class SendRequests : HttpRequests
    {
        private const string NumberFormat = "D10";

        private readonly byte[] _request;
        private readonly int _numberAt, _firstNumber;

        public SendRequests(string token, byte[] json, int firstNumber)
        {
            var head = $"PUT /_matrix/client/v3/sendToDevice/m.room.encrypted/{0.ToString(NumberFormat, CultureInfo.InvariantCulture)} HTTP/1.1\r\n"
                + $"Host: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {json.Length}\r\n\r\n";
            _request = [.. Encoding.ASCII.GetBytes(head), .. json];
            (_numberAt, _firstNumber) = (head.IndexOf(" HTTP", StringComparison.Ordinal) - 10, firstNumber);
        }

        public override byte[] End { get; } = "{}"u8.ToArray();

        public override ReadOnlyMemory<byte> Next(int number)
        {
            (_firstNumber + number).TryFormat(_request.AsSpan(_numberAt), out _, NumberFormat, CultureInfo.InvariantCulture);
            return _request;
        }
    }

    private sealed class SyncRequests(string token, string? since, bool isChunked) : HttpRequests
    {
        private readonly byte[] _request = Encoding.ASCII.GetBytes(
            $"GET /_matrix/client/v3/sync?timeout=0{(since is null ? "" : $"&since={since}")} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");

        public override byte[] End { get; } = isChunked ? "0\r\n\r\n"u8.ToArray() : "}"u8.ToArray();

        public override ReadOnlyMemory<byte> Next(int number) => _request;
    }
}
