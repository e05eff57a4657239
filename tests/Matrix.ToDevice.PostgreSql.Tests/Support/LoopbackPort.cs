using System.Net;
using System.Net.Sockets;

namespace Matrix.ToDevice.Tests;

/// <summary>A port for a server whose address has to be known before it starts.</summary>
internal static class LoopbackPort
{
    /// <summary>One that nobody uses at this moment.</summary>
    public static int Unused()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
