using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice;

/// <summary>Where the parts that a homeserver plugs into the send-to-device module are named.</summary>
public interface ISendToDeviceBuilder
{
    /// <summary>The application's services.</summary>
    IServiceCollection Services { get; }
}
