package org.apache.dubbo.remoting.http12;

/** The stubs import it and do not use it; dubbo 3.2 has none. */
public interface HttpMethods {}
